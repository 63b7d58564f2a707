import Machine

extension Summary {
  /// Adds rows of one cell a run.
  struct Builder {
    private let runs: [Run]
    private(set) var table = TextTable()

    init(_ runs: [Run]) {
      self.runs = runs
      table.row("", runs.map(\.mode.rawValue))
    }

    mutating func heading(_ title: String) { table.heading(title) }

    mutating func runs(_ label: String, _ cell: (Run) -> String) { row(label, runs.map(cell)) }

    mutating func add(_ row: Row) {
      let values = values(row.column)
      switch row.figure {
      case .count: add(values, row.label)
      case .countEvenIfZero: add(values, row.label, always: true)
      case .shareOf(let whole): add(values, row.label, shareOf: self.values(whole))
      case .ratioTo(let whole, let scale): add(values, row.label, scale: scale, per: self.values(whole))
      case .timesNative: addAgainstNative(values, row.label)
      }
    }

    private func values(_ column: String) -> [UInt64] {
      guard let column = CounterTable.byName[column] else { preconditionFailure("no column '\(column)'") }
      return runs.map { column.value($0.counters) }
    }

    private mutating func add(_ values: [UInt64], _ label: String, always: Bool = false) {
      guard always || values.contains(where: { $0 > 0 }) else { return }
      row(label, values.map(Decimal.grouped))
    }

    private mutating func add(_ values: [UInt64], _ label: String, shareOf wholes: [UInt64]) {
      guard values.contains(where: { $0 > 0 }) else { return }
      add(values, label)
      let indent = String(label.prefix { $0 == " " })
      row(indent + "  share", zip(values, wholes).map { Decimal.percent($0, of: $1) })
    }

    private mutating func add(_ values: [UInt64], _ label: String, scale: UInt64, per wholes: [UInt64]) {
      guard zip(values, wholes).contains(where: { $0 > 0 && $1 > 0 }) else { return }
      row(label, zip(values, wholes).map { Decimal.ratio($0 &* scale, per: $1) })
    }

    private mutating func addAgainstNative(_ values: [UInt64], _ label: String) {
      guard runs.count > 1, let native = runs.firstIndex(where: { $0.mode == .native }) else { return }
      guard values[native] > 0 else { return }
      row(label, values.map { Decimal.ratio($0, per: values[native]) + " x" })
    }

    private mutating func row(_ label: String, _ cells: [String]) { table.row("  " + label, cells) }
  }
}
