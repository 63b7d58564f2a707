import Machine

extension Summary {
  /// Adds rows of one cell a run; a row that is zero in every run is left out.
  struct Builder {
    typealias Value = (Counters) -> UInt64

    private let runs: [Run]
    private(set) var table = TextTable()

    init(_ runs: [Run]) {
      self.runs = runs
      table.row("", runs.map(\.mode.rawValue))
    }

    mutating func heading(_ title: String) { table.heading(title) }

    /// A plain count.
    mutating func sum(_ label: String, always: Bool = false, _ value: Value) {
      let values = runs.map { value($0.counters) }
      guard always || values.contains(where: { $0 > 0 }) else { return }
      row(label, values.map(Decimal.grouped))
    }

    /// A count with, in the row below it, its share of a whole.
    mutating func share(_ label: String, of whole: Value, _ part: Value) {
      sum(label, part)
      guard runs.contains(where: { part($0.counters) > 0 }) else { return }
      let indent = String(label.prefix { $0 == " " })
      row(indent + "  share", runs.map { Decimal.percent(part($0.counters), of: whole($0.counters)) })
    }

    /// One count by another.
    mutating func ratio(_ label: String, of whole: Value, scale: UInt64 = 1, _ part: Value) {
      guard runs.contains(where: { part($0.counters) > 0 && whole($0.counters) > 0 }) else { return }
      row(label, runs.map { Decimal.ratio(part($0.counters) &* scale, per: whole($0.counters)) })
    }

    /// A count as a multiple of the native run's, if there is one and another beside it.
    mutating func comparison(_ label: String, _ value: Value) {
      guard runs.count > 1, let native = runs.first(where: { $0.mode == .native }) else { return }
      let base = value(native.counters)
      guard base > 0 else { return }
      row(label, runs.map { Decimal.ratio(value($0.counters), per: base) + " x" })
    }

    mutating func runs(_ label: String, _ cell: (Run) -> String) { row(label, runs.map(cell)) }

    private mutating func row(_ label: String, _ cells: [String]) { table.row("  " + label, cells) }
  }
}
