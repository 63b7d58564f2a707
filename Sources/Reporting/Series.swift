public import Machine

/// The counters of consecutive intervals of one run: sums are those of the interval, levels and peaks as they stand at
/// its end.
public struct Series: Sendable {
  private var last = Counters()

  public init() {}

  /// The header line: the interval's first operation, then the columns of the counters.
  public static var header: String { CSV.line(["first_operation"] + CounterTable.columns.map(\.name)) }

  /// The line of the interval that ends with these counters.
  public mutating func row(to counters: Counters) -> String {
    let fields = CounterTable.columns.map { column in
      // Never negative: a sum only grows.
      String(column.isLevel ? column.value(counters) : column.value(counters) &- column.value(last))
    }
    let first = last.operations
    last = counters
    return CSV.line([String(first)] + fields)
  }
}
