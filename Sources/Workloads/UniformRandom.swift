internal import Paging

/// Loads from pages drawn with equal chances, of a guest whose tables are there from the start.
///
/// A scenario, not a process: no kernel comes between. Virtual and physical addresses of the data are the same, from 0 on; the
/// tables lie behind the data, level by level from the leaves up, with A set. So the references of its walks can be computed.
struct UniformRandom: Pattern {
  static let workload = Workload(
    name: "uniform-random",
    summary: "Loads from pages drawn with equal chances, with tables complete: walks that every paper can compute.",
    keys: [
      .init("footprint", 256, in: 2...262_144, "MiB of data"),
      .init("accesses", 1_000_000, in: 1...(1 << 50), "loads"),
      .init("large", 0, in: 0...1, "1: the guest's pages are of 2 MiB"),
    ], guest: .scenario, make: { UniformRandom($0) })

  private let words: UInt64
  private let accesses: UInt64
  private let tables: GuestTables
  private var done: UInt64 = 0
  /// Tables that have been told, and then the root's load.
  private var told = 0
  private var random: Random

  init(_ parameters: Parameters) {
    let bytes = parameters["footprint"] << 20
    words = bytes / 8
    accesses = parameters["accesses"]
    tables = GuestTables(data: bytes, lowest: parameters["large"] == 1 ? 2 : 1)
    random = parameters.random
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    if told <= tables.all.count {
      if told == 0 { batch.append(Operation(.ram, tables.end)) }
      if told < tables.all.count {
        let table = tables.all[told]
        batch.appendTable(at: table.address, level: table.level, entries: tables.entries(of: table))
      } else {
        batch.append(Operation(.loadCR3, tables.root))
      }
      told += 1
      return true
    }
    guard done < accesses else { return false }
    batch.load(random.below(words) * 8)
    done += 1
    return true
  }
}

/// The guest's tables of a range of data at virtual and physical 0, behind the data.
private struct GuestTables {
  struct Table {
    var level: Int
    /// Among those of its level.
    var index: UInt64
    var address: UInt64
  }

  let data: UInt64
  /// Level of the tables whose entries map the data.
  let lowest: Int
  private(set) var all: [Table] = []

  init(data: UInt64, lowest: Int) {
    self.data = data
    self.lowest = lowest
    for level in lowest...4 {
      for index in 0..<count(level) {
        all.append(Table(level: level, index: index, address: base(level) + index << 12))
      }
    }
  }

  private func count(_ level: Int) -> UInt64 {
    let shift = UInt64(12 + 9 * level)
    return (data + (1 << shift) - 1) >> shift
  }

  private func base(_ level: Int) -> UInt64 {
    data + (lowest..<level).reduce(0) { $0 + count($1) } << 12
  }

  var root: UInt64 { base(4) }
  /// Bytes of RAM: whole pages of 2 MiB, so that a nested table may have such pages everywhere.
  var end: UInt64 { (root + 0x1000 + 0x1f_ffff) & ~0x1f_ffff }

  func entries(of table: Table) -> [(index: Int, value: UInt64)] {
    let isLeaf = table.level == lowest
    let shift = UInt64(3 + 9 * table.level)
    let total = isLeaf ? data >> shift : count(table.level - 1)
    let below = isLeaf ? 0 : base(table.level - 1)
    let flags: UInt64 = isLeaf ? (table.level > 1 ? 0xe7 : 0x67) : 0x27
    return (table.index << 9..<min(table.index << 9 + 512, total)).map { number in
      (Int(number & 511), (isLeaf ? number << shift : below + number << 12) | flags)
    }
  }
}
