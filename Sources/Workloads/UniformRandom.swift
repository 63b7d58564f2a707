public import Paging

/// Loads from pages drawn with equal chances, one after the other: the workload whose walks every paper's geometry can be
/// computed for (GUPS has this shape).
///
/// Virtual and physical addresses of the data are the same, from 0 on. The tables lie behind the data, level by level from
/// the leaves up, and are complete from the start, with A set.
public struct UniformRandom: Workload {
  public static let name = "uniform-random"
  public static let summary = "loads from pages of a footprint, drawn with equal chances"
  public static let parameters = [
    WorkloadParameter(name: "footprint", standard: 256, range: 1...262_144, summary: "MiB of data, a power of two"),
    WorkloadParameter(name: "page", standard: 4, range: 4...2048, summary: "KiB of the guest's pages, 4 or 2048"),
    WorkloadParameter(name: "accesses", standard: 1_000_000, range: 1...1 << 40, summary: "loads"),
    WorkloadParameter(name: "seed", standard: 1, range: 0...UInt64.max, summary: "of the random numbers"),
  ]

  /// Bytes of data.
  let footprint: UInt64
  let pageSize: PageSize
  let accesses: UInt64
  let seed: UInt64

  public init(_ value: (String) -> UInt64) throws(WorkloadError) {
    footprint = value("footprint") << 20
    switch value("page") {
    case 4: pageSize = .small
    case 2048: pageSize = .large
    default: throw WorkloadError(message: "page=\(value("page")): expected 4 or 2048")
    }
    guard footprint.nonzeroBitCount == 1 else {
      throw WorkloadError(message: "footprint=\(value("footprint")): expected a power of two")
    }
    guard footprint >= pageSize.pages << 12 else {
      throw WorkloadError(message: "footprint=\(value("footprint")): expected a page or more")
    }
    accesses = value("accesses")
    seed = value("seed")
  }

  public func generate<Failure: Error>(_ body: (OperationBatch) throws(Failure) -> Void) throws(Failure) {
    var batch = OperationBatch()
    var number: UInt64 = 0
    func room() throws(Failure) {
      number += 1
      guard batch.isFull else { return }
      try body(batch)
      batch.removeAll(first: number - 1)
    }
    let tables = GuestTables(data: footprint, pageSize: pageSize)
    try room()
    batch.append(Operation(.ram, tables.end))
    for table in tables.all {
      try room()
      batch.appendTable(at: table.address, level: table.level, entries: tables.entries(of: table))
    }
    try room()
    batch.append(Operation(.loadCR3, tables.root))
    var random = SplitMix64(seed: seed)
    for _ in 0..<accesses {
      try room()
      // A power of two: the low bits are uniform.
      batch.append(Operation(.load, random.next() & (footprint - 1) & ~7, size: 8, flags: .user))
    }
    try body(batch)
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
  let lowest: Int

  init(data: UInt64, pageSize: PageSize) {
    self.data = data
    lowest = pageSize.level
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

  var all: [Table] {
    (lowest...4).flatMap { level in
      (0..<count(level)).map { Table(level: level, index: $0, address: base(level) + $0 << 12) }
    }
  }

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

/// The generator of Steele, Lea and Flood (OOPSLA 2014): 64 bits of state, equal on every platform.
struct SplitMix64 {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }
}
