internal import Paging

/// One load every so many bytes of a region, again and again.
struct Stride: Pattern {
  static let workload = Workload(
    name: "stride",
    summary: "A column of a matrix: with a stride of a page or more every access needs another translation.",
    keys: [
      .init("pages", 4096, in: 1...Layout.maximum, "pages of the region"),
      .init("stride", 4096, in: 8...(1 << 30), "bytes from one load to the next"),
      .init("accesses", 10_000_000, in: 1...(1 << 50), "loads"),
    ], make: { Stride($0) })

  private let bytes: UInt64
  private let stride: UInt64
  private let accesses: UInt64
  private var offset: UInt64 = 0
  private var done: UInt64 = 0

  init(_ parameters: Parameters) {
    bytes = parameters["pages"] * Layout.pageSize
    stride = parameters["stride"] & ~7
    accesses = parameters["accesses"]
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    if done == 0 { batch.map(Layout.region(0), pages: bytes / Layout.pageSize) }
    guard done < accesses else { return false }
    batch.load(Layout.region(0) + offset)
    offset = (offset + stride) % bytes
    done += 1
    return true
  }
}
