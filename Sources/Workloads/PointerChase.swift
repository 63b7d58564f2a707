internal import Paging

/// A linked list through all nodes of a region, in an order without pattern, followed again and again.
///
/// The next node comes from a linear congruential generator of full period (Hull and Dobell, SIAM Review 4(3), 1962):
/// each lap visits every node once, and no order has to be held in memory.
struct PointerChase: Pattern {
  static let workload = Workload(
    name: "pointer-chase",
    summary:
      "A linked list all over memory: each load waits for the one before, so that a miss costs its full latency.",
    keys: [
      .init("pages", 16_384, in: 1...Layout.maximum, "pages of the region, rounded up to a power of two"),
      .init("node", 64, in: 8...4096, "bytes of a node, rounded up to a power of two"),
      .init("accesses", 10_000_000, in: 1...(1 << 50), "loads"),
    ], make: { PointerChase($0) })

  private let pages: UInt64
  private let nodeSize: UInt64
  private let accesses: UInt64
  private let increment: UInt64
  private var node: UInt64
  private var done: UInt64 = 0
  /// 1 modulo 4, as a full period demands (Knuth's multiplier of MMIX).
  private static var multiplier: UInt64 { 6_364_136_223_846_793_005 }

  init(_ parameters: Parameters) {
    func power(_ number: UInt64) -> UInt64 { 1 << UInt64(64 - (number - 1).leadingZeroBitCount) }
    pages = power(parameters["pages"])
    nodeSize = power(parameters["node"])
    accesses = parameters["accesses"]
    var random = parameters.random
    increment = random.next() | 1
    node = random.next()
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    if done == 0 { batch.map(Layout.region(0), pages: pages) }
    guard done < accesses else { return false }
    let nodes = pages * Layout.pageSize / nodeSize
    node = (node &* Self.multiplier &+ increment) & (nodes - 1)
    batch.load(Layout.region(0) + node * nodeSize)
    done += 1
    return true
  }
}
