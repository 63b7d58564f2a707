import Machine

extension Comparison {
  /// As CSV: one row a run, cycles also as a multiple of the native run's, and the largest costs by name.
  public var csv: String {
    var text = CSV.line(
      ["trace", "machine", "mode", "settings", "accesses", "cycles_total", "cycles_against_native", "true_faults"]
        + ["hidden_faults", "exits", "tlb_misses", "walk_refs"]
        + (1...Self.namedCosts).flatMap { ["cost_\($0)", "cost_\($0)_cycles"] })
    for group in groups {
      for run in group.runs { text += Self.row(run, in: group) }
    }
    return text
  }

  private static func row(_ run: Run, in group: Group) -> String {
    let counters = run.counters
    let native = group.native?.counters.cyclesTotal ?? 0
    var fields = [run.trace, run.machine, run.mode.rawValue, run.settings]
    fields += [counters.accesses, counters.cyclesTotal].map { String($0) }
    fields.append(native == 0 ? "" : Decimal.fixed(Double(counters.cyclesTotal) / Double(native), digits: 6))
    fields += [
      counters.trueFaults, counters.hiddenFaults, counters.exits, counters.tlbMisses, counters.walkReferences,
    ].map { String($0) }
    let costs = largestCosts(counters)
    for index in 0..<namedCosts {
      fields += index < costs.count ? ["cycles_" + costs[index].item.name, String(costs[index].cycles)] : ["", ""]
    }
    return CSV.line(fields)
  }
}
