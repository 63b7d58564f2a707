internal import Paging

/// Updates of words anywhere in a region, as the RandomAccess benchmark of HPC Challenge makes them.
struct Gups: Pattern {
  static let workload = Workload(
    name: "gups",
    summary: "Random updates: the TLB misses with probability 1 - reach / pages, which no locality mends.",
    keys: [
      .init("pages", 65_536, in: 1...Layout.maximum, "pages of the region"),
      .init("updates", 5_000_000, in: 1...(1 << 50), "words that are loaded and stored"),
    ], make: { Gups($0) })

  private let words: UInt64
  private let updates: UInt64
  private var done: UInt64 = 0
  private var random: Random

  init(_ parameters: Parameters) {
    words = parameters["pages"] * 512
    updates = parameters["updates"]
    random = parameters.random
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    if done == 0 { batch.map(Layout.region(0), pages: words / 512) }
    guard done < updates else { return false }
    let address = Layout.region(0) + random.below(words) * 8
    batch.load(address)
    batch.store(address)
    done += 1
    return true
  }
}
