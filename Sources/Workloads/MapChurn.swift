internal import Paging

/// Memory that is mapped, written once and unmapped, again and again.
struct MapChurn: Pattern {
  static let workload = Workload(
    name: "map-churn",
    summary: "An allocator that gives memory back at once: page tables built and torn down, and TLBs flushed for it.",
    keys: [
      .init("pages", 64, in: 1...(1 << 20), "pages of a mapping"),
      .init("rounds", 1000, in: 0...(1 << 40), "mappings"),
    ], make: { MapChurn($0) })

  private let pages: UInt64
  private let rounds: UInt64
  private var place: UInt64 = 0
  private var round: UInt64 = 0

  init(_ parameters: Parameters) {
    pages = parameters["pages"]
    rounds = parameters["rounds"]
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    guard round < rounds else { return false }
    if place == 0 { batch.map(Layout.region(0), pages: pages) }
    batch.store(Layout.region(0) + place * Layout.pageSize)
    place += 1
    if place == pages {
      batch.unmap(Layout.region(0), pages: pages)
      (place, round) = (0, round + 1)
    }
    return true
  }
}
