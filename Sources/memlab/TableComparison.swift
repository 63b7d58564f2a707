import Machine
import Reporting

/// The guest's final tables under each mode against those under native, trace by trace.
enum TableComparison {
  /// Accessed and dirty: the architecture leaves open when a processor sets them.
  private static let accessedDirty: UInt64 = 0x60
  /// Differences that are told one by one.
  private static let shown = 20

  /// Adds what differs to the divergences of the runs. Outcomes of one trace stand together, as they were planned.
  static func compare(_ outcomes: inout [Outcome]) {
    var first = 0
    while first < outcomes.count {
      var end = first + 1
      while end < outcomes.count && !outcomes[first..<end].contains(where: { $0.run.mode == outcomes[end].run.mode }) {
        end += 1
      }
      if let native = outcomes[first..<end].first(where: { $0.run.mode == .native })?.tables {
        for index in first..<end where outcomes[index].run.mode != .native { compare(&outcomes[index], with: native) }
      }
      first = end
    }
  }

  private static func compare(_ outcome: inout Outcome, with native: [UInt64: UInt64]) {
    guard let tables = outcome.tables else { return }
    var differing: [UInt64] = []
    var accessedDirtyOnly = 0
    for address in Set(native.keys).union(tables.keys) {
      let difference = (native[address] ?? 0) ^ (tables[address] ?? 0)
      if difference & ~accessedDirty != 0 {
        differing.append(address)
      } else if difference != 0 {
        accessedDirtyOnly += 1
      }
    }
    outcome.run.accessedDirtyDifferences = accessedDirtyOnly
    outcome.run.counters.divergences += UInt64(differing.count)
    let last = outcome.run.counters.operations
    for address in differing.sorted().prefix(max(shown - outcome.run.divergences.count, 0)) {
      let place = "entry \(hex(address))"
      outcome.run.divergences.append(
        Divergence(
          operation: last, expected: "at the end \(place) = \(hex(native[address] ?? 0)) as native has it",
          found: hex(tables[address] ?? 0)))
    }
  }

  private static func hex(_ value: UInt64) -> String { String(value, radix: 16) }
}
