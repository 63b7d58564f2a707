internal import Paging

/// Word after word of a region, again and again.
struct Sequential: Pattern {
  static let workload = Workload(
    name: "sequential",
    summary: "A scan, word after word: one TLB miss a page and nothing to gain from a larger TLB.",
    keys: [
      .init("pages", 4096, in: 1...Layout.maximum, "pages of the region"),
      .init("accesses", 10_000_000, in: 1...(1 << 50), "loads"),
    ], make: { Sequential($0) })

  private let words: UInt64
  private let accesses: UInt64
  private var done: UInt64 = 0
  private var hasMap = false

  init(_ parameters: Parameters) {
    words = parameters["pages"] * 512
    accesses = parameters["accesses"]
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    if !hasMap {
      batch.map(Layout.region(0), pages: words / 512)
      hasMap = true
    }
    guard done < accesses else { return false }
    batch.load(Layout.region(0) + done % words * 8)
    done += 1
    return true
  }
}
