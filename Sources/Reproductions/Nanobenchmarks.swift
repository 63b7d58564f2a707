internal import Machine

extension Reproduction {
  static let nanobenchmarks = Reproduction(
    "nanobenchmarks",
    claim:
      "Under early hardware assistance with shadow tables a page fault costs some 11,000 cycles, 2.9 times what translated code needs.",
    source: "Adams and Agesen, ASPLOS 2006, figure 4 and table 1 (Pentium 4 672, 3.8 GHz)",
    setup:
      "nanobenchmark on prescott, shadow, with the constants of table 1 and the monitor's own work fitted to ptemod",
    remark: "ptemod and the software monitor's pgfault are fitted, the others predicted.",
    targets: [
      .about("ptemod, hardware assistance (fitted)", "cycles", 12_733, within: 0.0001),
      .about("pgfault, hardware assistance", "cycles", 11_242, within: 0.25),
      .about("pgfault, binary translation (fitted)", "cycles", 3_927, within: 0.0001),
      .about("pgfault, hardware over software", "x", 2.86, within: 0.25),
    ]
  ) { laboratory in
    let count: UInt64 = 1000
    let exit: UInt64 = 2409 + 1931
    let constants = [
      "costs.exit=\(exit)", "costs.emulation=\(12_733 - exit)", "costs.injection=\(12_733 - exit)",
      "costs.faultDelivery=1093", "costs.trap=1093", "costs.reflection=1741",
    ]
    /// Cycles of one operation; the walks of the hardware aside, which the published figures hardly have.
    func cycles(_ key: String, _ technique: String) throws -> Double {
      let runs = try [UInt64(1), 2].map { times in
        let values: [String: UInt64] = ["stores": 0, "faults": 0].merging([key: times * count]) { $1 }
        let load = Laboratory.Load("nanobenchmark", values)
        return try laboratory.run(load, .shadow, on: "prescott", ["cpu.technique=\(technique)"] + constants)
      }
      func work(_ counters: Counters) -> UInt64 { counters.cyclesVirtualization + counters.cyclesGuest }
      return Double(work(runs[1]) - work(runs[0])) / Double(count)
    }
    let hardware = try cycles("faults", "hardware-assisted")
    let software = try cycles("faults", "binary-translation")
    return [try cycles("stores", "hardware-assisted"), hardware, software, hardware / software]
  }
}
