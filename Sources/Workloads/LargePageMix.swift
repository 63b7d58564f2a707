internal import Paging

/// Random updates in one large aligned region beside others in many small ones.
struct LargePageMix: Pattern {
  static let workload = Workload(
    name: "large-page-mix",
    summary:
      "A heap that 2 MiB pages fit beside small mappings that they do not: what large pages can and cannot save.",
    keys: [
      .init("large", 16, in: 1...(1 << 18), "MiB of the large region, in units of 2 MiB"),
      .init("small", 1024, in: 1...(1 << 20), "mappings of one page, 2 MiB apart"),
      .init("percent", 50, in: 0...100, "updates that go to the large region"),
      .init("updates", 1_000_000, in: 1...(1 << 50), "words that are loaded and stored"),
    ], make: { LargePageMix($0) })

  private let large: UInt64
  private let small: UInt64
  private let percent: UInt64
  private let updates: UInt64
  private var mapped: UInt64 = 0
  private var done: UInt64 = 0
  private var random: Random

  init(_ parameters: Parameters) {
    large = (parameters["large"] + 1) / 2 * 512
    small = parameters["small"]
    percent = parameters["percent"]
    updates = parameters["updates"]
    random = parameters.random
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    if mapped <= small {
      if mapped == 0 { batch.map(Layout.region(0), pages: large) } else { batch.map(page(mapped - 1), pages: 1) }
      mapped += 1
      return true
    }
    guard done < updates else { return false }
    let address =
      random.below(100) < percent
      ? Layout.region(0) + random.below(large * 512) * 8 : page(random.below(small)) + random.below(512) * 8
    batch.load(address)
    batch.store(address)
    done += 1
    return true
  }

  private func page(_ number: UInt64) -> UInt64 { Layout.region(1) + (number << 21) }
}
