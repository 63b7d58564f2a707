internal import Machine

extension Reproduction {
  static let populateThenRun = Reproduction(
    "populate-then-run",
    claim:
      "Shadow paging pays while memory is populated and earns afterwards: slower to begin with than nested, then faster.",
    source: "vMitosis, ASPLOS 2021, raw logs (gups: populate 334 s against 104 s, run 134 s against 260 s)",
    setup: "gups of 64 MiB on skylake: the updates until all pages are there, and as many again",
    remark:
      "Published are seconds of whole programs; memlab's cycles are those of translation and virtualization alone, so "
      + "that the sign must come out and the ratios need not.",
    targets: [
      Target("populate: shadow over nested", "x", "3.2", in: 1.0001...1000),
      Target("run: nested over shadow", "x", "1.94", in: 1.0001...1000),
      .exactly("populate: hidden fills a page under shadow", "faults", 1),
      .exactly("run: hidden faults under shadow", "faults", 0),
    ]
  ) { laboratory in
    let pages: UInt64 = 16_384
    func phases(_ mode: Mode) throws -> (populate: Counters, whole: Counters) {
      let runs = try [UInt64(1), 2].map { times in
        try laboratory.run(
          .init("gups", ["pages": pages, "updates": times * pages * 16]), mode, on: "skylake", ["guest.zero-page=off"])
      }
      return (runs[0], runs[1])
    }
    let shadow = try phases(.shadow)
    let nested = try phases(.nested)
    func later(_ phases: (populate: Counters, whole: Counters)) -> Double {
      Double(phases.whole.cyclesTotal - phases.populate.cyclesTotal)
    }
    return [
      Double(shadow.populate.cyclesTotal) / Double(nested.populate.cyclesTotal), later(nested) / later(shadow),
      Double(shadow.populate.hiddenFill) / Double(pages),
      Double(shadow.whole.hiddenFaults - shadow.populate.hiddenFaults),
    ]
  }
}
