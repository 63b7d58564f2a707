import Machine

extension Comparison {
  /// For people: a table a trace and machine, one line a mode, and below it where the cycles go; with several machines
  /// the modes of each beside those of the others.
  public var text: String {
    var text = ""
    for group in groups {
      if !text.isEmpty { text += "\n" }
      text += Self.text(group)
    }
    let traces = groups.map(\.trace)
    for (index, trace) in traces.enumerated() where !traces[..<index].contains(trace) {
      let machines = groups.filter { $0.trace == trace }
      if machines.count > 1 { text += "\n" + Self.machinesText(machines) }
    }
    return text
  }

  private static func text(_ group: Group) -> String {
    let counters = group.runs[0].counters
    let settings = group.runs[0].settings.isEmpty ? "" : ", with \(group.runs[0].settings)"
    return "\(group.trace) on \(group.machine)\(settings): \(Decimal.grouped(counters.accesses)) accesses\n\n"
      + counts(group).text() + "\n" + costs(group)
  }

  private static func counts(_ group: Group) -> TextTable {
    var table = TextTable()
    table.row("", ["cycles", "against", "true", "hidden", "", "", "references"])
    table.row("mode", ["an access", "native", "faults", "faults", "exits", "TLB misses", "a TLB miss"])
    for run in group.runs {
      let counters = run.counters
      table.row(
        run.mode.rawValue,
        [
          Decimal.ratio(counters.cyclesTotal, per: counters.accesses), againstNative(run, in: group),
          Decimal.grouped(counters.trueFaults), Decimal.grouped(counters.hiddenFaults),
          Decimal.grouped(counters.exits), Decimal.grouped(counters.tlbMisses),
          Decimal.ratio(counters.walkReferences, per: counters.tlbMisses),
        ])
    }
    return table
  }

  private static func againstNative(_ run: Run, in group: Group) -> String {
    guard let native = group.native, native.counters.cyclesTotal > 0 else { return "-" }
    return Decimal.ratio(run.counters.cyclesTotal, per: native.counters.cyclesTotal) + " x"
  }

  /// The largest costs of each mode, a line each, in columns.
  private static func costs(_ group: Group) -> String {
    let lines = group.runs.map { run in
      [run.mode.rawValue]
        + largestCosts(run.counters).map { cost in
          share(cost.cycles, of: run.counters.cyclesTotal) + " " + cost.item.title
        }
    }
    var widths: [Int] = []
    for line in lines {
      for (column, cell) in line.enumerated() {
        if column == widths.count { widths.append(0) }
        widths[column] = max(widths[column], cell.count)
      }
    }
    var text = "largest costs, of all cycles (estimated)\n"
    for line in lines {
      let cells = line.enumerated().map { column, cell in
        column == line.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
      }
      text += "  " + cells.joined(separator: "   ") + "\n"
    }
    return text
  }

  /// In whole per cent, as wide as `100 %`.
  private static func share(_ part: UInt64, of whole: UInt64) -> String {
    let text = part * 200 < whole ? "<1 %" : Decimal.percent(part, of: whole, digits: 0)
    return String(repeating: " ", count: max(5 - text.count, 0)) + text
  }

  /// The machines' columns: cycles an access, and in brackets how many times native's on the same machine.
  private static func machinesText(_ machines: [Group]) -> String {
    var table = TextTable()
    table.row("mode", machines.map(\.machine))
    for run in machines[0].runs {
      let cells = machines.map { group in
        guard let same = group.runs.first(where: { $0.mode == run.mode }) else { return "-" }
        let cycles = Decimal.ratio(same.counters.cyclesTotal, per: same.counters.accesses)
        return cycles + " (" + againstNative(same, in: group) + ")"
      }
      table.row(run.mode.rawValue, cells)
    }
    return "\(machines[0].trace): cycles an access by machine (against native there)\n\n" + table.text()
  }
}
