public import Machine
import Paging

/// The event log: one row for each fault, exit, read-back and hypercall, in order.
public enum EventLog {
  /// The header line.
  public static var header: String {
    CSV.line(["operation", "cpu", "vm", "kind", "cause", "va", "pa", "error_code", "value", "result"])
  }

  /// The line of one event: addresses, codes and values hexadecimal, empty where they do not apply.
  public static func row(_ event: Event) -> String {
    CSV.line([
      String(event.operation), String(event.cpu), String(event.vm), event.kind.rawValue, event.cause,
      Decimal.hex(event.virtual?.raw), Decimal.hex(event.physical?.raw),
      Decimal.hex(event.code.map { UInt64($0.rawValue) }), Decimal.hex(event.value), event.result ?? "",
    ])
  }
}
