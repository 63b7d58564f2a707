internal import Machine

extension Reproduction {
  /// Wang et al., VEE 2011, table 3, and what DMT and PVM measure.
  static let crossover = Reproduction(
    "crossover",
    claim:
      "Nested paging pays for each TLB miss, shadow paging for each change of a table: changes for 1000 misses decide.",
    source:
      "Wang et al., VEE 2011, table 3 (0.44, i7-860); with the costs of Cascade Lake (PVM, SOSP 2023, table 4) 6 to 118",
    setup: "uniform-random of 64 MiB on skylake, all pages touched before, stores to leaf entries mixed in",
    remark: "The crossing is no constant of nature; what must come out is the two regimes.",
    targets: [
      Target("no changes: nested costs more", "x shadow", "", in: 1.0001...100),
      Target("crossing", "changes for 1000 loads", "0.44 to 118", in: 0.4...120),
      Target("half of that: nested over shadow", "x", "", in: 1.0001...100),
      Target("twice that: nested over shadow", "x", "", in: 0.01...0.9999),
    ]
  ) { laboratory in
    /// Cycles a TLB miss once all pages have been touched: the second half of a run.
    func cost(_ mode: Mode, _ rate: Double) throws -> Double {
      let counters = try [UInt64(1), 2].map { halves in
        let load = Laboratory.Load.uniform(64, halves * 400_000, ["protects": UInt64(rate * 1000)])
        return try laboratory.run(load, mode, on: "skylake", ["nested.fill=eager"])
      }
      return Double(counters[1].cyclesTotal - counters[0].cyclesTotal)
        / Double(counters[1].tlbMisses - counters[0].tlbMisses)
    }
    /// Nested over shadow at so many changes a 1000 loads.
    func ratio(_ rate: Double) throws -> Double { try cost(.nested, rate) / (try cost(.shadow, rate)) }
    let rate = 20.0
    let base = (nested: try cost(.nested, 0), shadow: try cost(.shadow, 0))
    let slope = (nested: try cost(.nested, rate) - base.nested, shadow: try cost(.shadow, rate) - base.shadow)
    let crossing = rate * (base.nested - base.shadow) / (slope.shadow - slope.nested)
    return [base.nested / base.shadow, crossing, try ratio(crossing / 2), try ratio(crossing * 2)]
  }
}
