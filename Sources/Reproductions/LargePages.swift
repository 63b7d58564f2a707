internal import Machine

extension Reproduction {
  static let largePages = Reproduction(
    "large-pages",
    claim: "Large pages help fully only in both dimensions: the smaller of the two decides what a TLB entry reaches.",
    source:
      "Gemini, EuroSys 2023, figure 2 (throughput of both 2.0, of one 1.16 to 1.20 times base); Bhargava et al., 2.4",
    setup: "uniform-random of 16 GiB and of 4 MiB on skylake, nested table complete",
    remark: "Published is throughput; memlab's cycles are those of translation alone, so that orders are compared.",
    targets: [
      Target("16 GiB, 2 MiB in both: translation cycles over base", "x", "", in: 0...0.5),
      Target("16 GiB, host 2 MiB alone", "x", "", in: 0.5...0.9999),
      Target("16 GiB, guest 2 MiB alone", "x", "", in: 0.5...0.9999),
      Target("16 GiB, one of them: TLB misses over base", "x", "1", in: 0.99...1.01),
      Target("4 MiB, host 2 MiB alone: TLB misses over base", "x", "1", in: 0.99...1.01),
      Target("4 MiB, both: TLB misses over base", "x", "", in: 0...0.01),
    ]
  ) { laboratory in
    func run(_ mebibytes: UInt64, guest: UInt64, host: String) throws -> Counters {
      try laboratory.run(
        .uniform(mebibytes, 200_000, ["large": guest]), .nested, on: "skylake",
        ["nested.fill=eager", "nested.page=\(host)"])
    }
    let base = try run(16_384, guest: 0, host: "4K")
    let host = try run(16_384, guest: 0, host: "2M")
    let guest = try run(16_384, guest: 1, host: "4K")
    let both = try run(16_384, guest: 1, host: "2M")
    func cycles(_ counters: Counters) -> Double { counters.cyclesAnAccess / base.cyclesAnAccess }
    let small = try run(4, guest: 0, host: "4K").tlbMisses
    return [
      cycles(both), cycles(host), cycles(guest), Double(max(host.tlbMisses, guest.tlbMisses)) / Double(base.tlbMisses),
      Double(try run(4, guest: 0, host: "2M").tlbMisses) / Double(small),
      Double(try run(4, guest: 1, host: "2M").tlbMisses) / Double(small),
    ]
  }
}
