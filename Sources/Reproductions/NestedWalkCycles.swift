internal import Machine

extension Reproduction {
  static let nestedWalkCycles = Reproduction(
    "nested-walk-cycles",
    claim:
      "The cycles of a nested walk with large tables go to the last entries of both dimensions; 2 MiB pages cut it 4.9 times.",
    source: "DMT, ASPLOS 2024, figure 16 (Redis, 155 GB)",
    setup: "uniform-random of 16 GiB on dmt, nested table complete; with 2 MiB pages 128 GiB",
    targets: [
      .about("4 KiB pages", "cycles a walk", 395.4, within: 0.4),
      .about("2 MiB pages", "cycles a walk", 81.3, within: 0.15, reason: dataAway),
      Target("4 KiB over 2 MiB", "x", "4.86", in: 4.5...6.5, reason: dataAway),
    ]
  ) { laboratory in
    let settings = ["nested.structures=tables", "nested.fill=eager"]
    let small = try laboratory.run(.uniform(16_384, 200_000), .nested, on: "dmt", settings)
    let large = try laboratory.run(
      .uniform(131_072, 200_000, ["large": 1]), .nested, on: "dmt", settings + ["nested.page=2M"])
    return [small.cyclesAWalk, large.cyclesAWalk, small.cyclesAWalk / large.cyclesAWalk]
  }

  private static let dataAway =
    "memlab's walk caches hold page-table entries alone; there the program's data pushes them out"
}
