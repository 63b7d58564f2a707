internal import Paging

/// One operation many times over, as the nanobenchmarks of Adams and Agesen (ASPLOS 2006, 6.3) have them.
///
/// A scenario of two pages: one of data and the leaf table itself, which the guest has mapped to store to it. Entry 0x11 of
/// the table is stored to (`ptemod`); the page at 0x60000 is not there (`pgfault`).
struct Nanobenchmark: Pattern {
  static let workload = Workload(
    name: "nanobenchmark",
    summary: "One operation again and again: what a page-table store and a page fault cost, each alone.",
    keys: [
      .init("stores", 1000, in: 0...(1 << 40), "stores to an entry of a leaf table"),
      .init("faults", 0, in: 0...(1 << 40), "loads from a page that is not there"),
    ], guest: .scenario, make: { Nanobenchmark($0) })

  private static let root: UInt64 = 0x10_0000
  private static let leaf: UInt64 = 0x10_3000
  private static let data: UInt64 = 0x20_0000
  /// Present, to be written, user, A and D.
  private static let flags: UInt64 = 0x67

  private let stores: UInt64
  private let faults: UInt64
  private var done: UInt64 = 0
  private var hasBegun = false

  init(_ parameters: Parameters) {
    stores = parameters["stores"]
    faults = parameters["faults"]
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    if !hasBegun {
      begin(&batch)
      hasBegun = true
      return true
    }
    guard done < stores + faults else { return false }
    if done < stores {
      let value = (Self.data + done << 12) | Self.flags
      batch.append(
        Operation(.tableStore, Self.leaf + 0x88, size: 8, flags: .hasPayload), words: [value, 0x2_0088])
    } else {
      batch.load(0x6_0000)
    }
    done += 1
    return true
  }

  private func begin(_ batch: inout OperationBatch) {
    for level in stride(from: 4, to: 1, by: -1) {
      let table = Self.root + UInt64(4 - level) << 12
      batch.appendTable(at: table, level: level, entries: [(0, (table + 0x1000) | Self.flags)])
    }
    batch.appendTable(
      at: Self.leaf, level: 1, entries: [(0x10, Self.data | Self.flags), (0x20, Self.leaf | Self.flags)])
    batch.append(Operation(.loadCR3, Self.root))
    batch.load(0x1_0000)
  }
}
