internal import Paging

/// Random loads in a window of a region, which moves on from time to time (Denning's working sets, CACM 11(5), 1968).
struct Phases: Pattern {
  static let workload = Workload(
    name: "phases",
    summary: "A working set that changes: no miss within a phase once it is warm, a burst of misses at each change.",
    keys: [
      .init("pages", 16_384, in: 1...Layout.maximum, "pages of the region"),
      .init("window", 512, in: 1...Layout.maximum, "pages of a working set; at most all"),
      .init("phase", 1_000_000, in: 1...(1 << 50), "loads of a phase"),
      .init("phases", 10, in: 1...(1 << 40), "phases; each begins where the one before ended"),
    ], make: { Phases($0) })

  private let pages: UInt64
  private let window: UInt64
  private let length: UInt64
  private let phases: UInt64
  private var phase: UInt64 = 0
  private var done: UInt64 = 0
  private var hasMap = false
  private var random: Random

  init(_ parameters: Parameters) {
    pages = parameters["pages"]
    window = min(parameters["window"], pages)
    length = parameters["phase"]
    phases = parameters["phases"]
    random = parameters.random
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    if !hasMap {
      batch.map(Layout.region(0), pages: pages)
      hasMap = true
    }
    guard phase < phases else { return false }
    let page = (phase % pages * window + random.below(window)) % pages
    batch.load(Layout.region(0) + page * Layout.pageSize + random.below(512) * 8)
    done += 1
    if done == length { (done, phase) = (0, phase + 1) }
    return true
  }
}
