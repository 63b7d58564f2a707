internal import Paging

/// A process of some size that forks children, each of which writes to a part of what it inherits and exits.
struct ForkStorm: Pattern {
  static let workload = Workload(
    name: "fork-storm",
    summary:
      "A server that forks for each request: page tables copied, write rights taken and given back page by page.",
    keys: [
      .init("pages", 1024, in: 1...(1 << 20), "pages of the parent, all written before the first fork"),
      .init("children", 100, in: 0...(1 << 30), "children, one after the other"),
      .init("writes", 128, in: 0...(1 << 20), "pages that a child writes, spread evenly; at most all"),
    ], make: { ForkStorm($0) })

  private let pages: UInt64
  private let children: UInt64
  private let writes: UInt64
  private var place: UInt64 = 0
  private var child: UInt64 = 0

  init(_ parameters: Parameters) {
    pages = parameters["pages"]
    children = parameters["children"]
    writes = min(parameters["writes"], pages)
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    let base = Layout.region(0)
    if child == 0 {
      if place == 0 { batch.map(base, pages: pages) }
      batch.store(base + place * Layout.pageSize)
      advance(to: pages)
      return true
    }
    guard child <= children else { return false }
    if place == 0 {
      batch.fork(1, child + 1)
      batch.run(child + 1)
    }
    if place < writes { batch.store(base + place * pages / writes * Layout.pageSize) }
    if place + 1 >= writes {
      batch.append(Operation(.exit, child + 1))
      batch.run(1)
    }
    advance(to: writes)
    return true
  }

  private mutating func advance(to end: UInt64) {
    place += 1
    if place >= end { (place, child) = (0, child + 1) }
  }
}
