internal import Paging

/// A join of two tables by hashing: one is scanned into a hash table, then the other is scanned and looked up in it.
struct HashJoin: Pattern {
  static let workload = Workload(
    name: "hash-join",
    summary: "A database's join: scans, which large pages and prefetching like, beside random look-ups, which miss.",
    keys: [
      .init("build", 1024, in: 1...Layout.maximum, "pages of the table that the hash table is made of"),
      .init("probe", 4096, in: 1...Layout.maximum, "pages of the table that is looked up"),
      .init("table", 2048, in: 1...Layout.maximum, "pages of the hash table"),
    ], make: { HashJoin($0) })

  /// Rows of 16 bytes.
  private static var rowsPerPage: UInt64 { 256 }
  private let build: UInt64
  private let probe: UInt64
  private let buckets: UInt64
  private var row: UInt64 = 0
  private var random: Random

  init(_ parameters: Parameters) {
    build = parameters["build"] * Self.rowsPerPage
    probe = parameters["probe"] * Self.rowsPerPage
    buckets = parameters["table"] * Self.rowsPerPage
    random = parameters.random
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    if row == 0 {
      for (number, rows) in [build, probe, buckets].enumerated() {
        batch.map(Layout.region(UInt64(number)), pages: rows / Self.rowsPerPage)
      }
    }
    guard row < build + probe else { return false }
    let bucket = Layout.region(2) + random.below(buckets) * 16
    if row < build {
      batch.load(Layout.region(0) + row * 16)
      batch.load(bucket)
      batch.store(bucket)
    } else {
      batch.load(Layout.region(1) + (row - build) * 16)
      batch.load(bucket)
    }
    row += 1
    return true
  }
}
