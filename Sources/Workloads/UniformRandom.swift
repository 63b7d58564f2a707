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
      .init("large", 0, in: 0...2, "1: the guest's pages are of 2 MiB; 2: of 1 GiB"),
      .init("levels", 4, in: 4...5, "levels of the guest's tables"),
      .init("protects", 0, in: 0...1_000_000, "stores to leaf entries for a million loads, each with an INVLPG"),
    ], guest: .scenario, make: { UniformRandom($0) })

  private let words: UInt64
  private let protects: UInt64
  private let accesses: UInt64
  private let tables: GuestTables
  private var done: UInt64 = 0
  /// Tables that have been told, and then the root's load.
  private var told = 0
  private var random: Random

  init(_ parameters: Parameters) {
    let lowest = Int(parameters["large"]) + 1
    let page: UInt64 = 1 << UInt64(3 + 9 * lowest)
    let bytes = ((parameters["footprint"] << 20) + page - 1) & ~(page - 1)
    words = bytes / 8
    accesses = parameters["accesses"]
    protects = parameters["protects"]
    tables = GuestTables(data: bytes, lowest: lowest, levels: Int(parameters["levels"]))
    random = parameters.random
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    if told <= tables.all.count {
      if told == 0 { batch.append(Operation(.ram, tables.end)) }
      if told < tables.all.count {
        let table = tables.all[told]
        batch.appendTable(at: table.address, level: table.level, entries: tables.entries(of: table))
      } else {
        if tables.levels == 5 { batch.append(Operation(.loadCR4, CR4.pae | CR4.la57)) }
        batch.append(Operation(.loadCR3, tables.root))
      }
      told += 1
      return true
    }
    guard done < accesses else { return false }
    batch.load(random.below(words) * 8)
    // Evenly spread: a store wherever the running share passes a whole number.
    if (done + 1) * protects / 1_000_000 > done * protects / 1_000_000 { protect(random.below(words) * 8, &batch) }
    done += 1
    return true
  }

  /// Writes the leaf entry of a page as it is, as a change of protection that comes to the same, and flushes the page.
  private func protect(_ address: UInt64, _ batch: inout OperationBatch) {
    let (entry, value) = tables.leaf(of: address)
    batch.append(Operation(.tableStore, entry, size: 8), words: [value])
    batch.append(Operation(.invlpg, address))
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
  let levels: Int
  private(set) var all: [Table] = []

  init(data: UInt64, lowest: Int, levels: Int) {
    self.data = data
    self.lowest = lowest
    self.levels = levels
    for level in lowest...levels {
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

  var root: UInt64 { base(levels) }
  /// Bytes of RAM: whole pages of 2 MiB, so that a nested table may have such pages everywhere.
  var end: UInt64 { (root + 0x1000 + 0x1f_ffff) & ~0x1f_ffff }

  /// Present, to be written, user, A and D; in upper levels PS too.
  private var leafFlags: UInt64 { lowest > 1 ? 0xe7 : 0x67 }

  /// The entry that maps an address, and what it says.
  func leaf(of address: UInt64) -> (entry: UInt64, value: UInt64) {
    let shift = UInt64(3 + 9 * lowest)
    let number = address >> shift
    return (base(lowest) + number * 8, number << shift | leafFlags)
  }

  func entries(of table: Table) -> [(index: Int, value: UInt64)] {
    let isLeaf = table.level == lowest
    let shift = UInt64(3 + 9 * table.level)
    let total = isLeaf ? data >> shift : count(table.level - 1)
    let below = isLeaf ? 0 : base(table.level - 1)
    let flags = isLeaf ? leafFlags : 0x27
    return (table.index << 9..<min(table.index << 9 + 512, total)).map { number in
      (Int(number & 511), (isLeaf ? number << shift : below + number << 12) | flags)
    }
  }
}
