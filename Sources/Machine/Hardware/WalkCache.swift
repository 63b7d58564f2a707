internal import Glibc
internal import Paging

/// The caches that the page walker's references go through: what a reference costs depends on where its line lies.
///
/// A small model on purpose: only page-table entries are in it, so they never compete with a program's data.
struct WalkCache: ~Copyable {
  private let levels: [CacheLevel]
  private let memory: UInt64

  init(_ geometries: [CacheGeometry], memory: UInt64) {
    self.memory = memory
    levels = geometries.map(CacheLevel.init)
  }

  deinit {
    for level in levels { level.free() }
  }

  /// Cycles of a reference to a page-table entry: the levels are asked in order, and those that did not have the line
  /// then have it.
  @inline(__always) func cycles(of address: MachineAddress) -> UInt64 {
    let line = address.raw >> 6
    for level in levels where level.touch(line) { return level.cycles }
    return memory
  }
}

/// One level: a set-associative cache of lines with exact LRU, of which only the tags are kept.
///
/// The tags of a set lie in the order of their use, 32 bits each, so that a set of up to 16 ways is one cache line of the machine
/// that runs memlab: a walk's references go all over the cache, and each set that must be fetched from memory costs more
/// than to look through it. Copies share the storage, which whoever made the first must `free` once.
@safe private struct CacheLevel {
  private let tags: UnsafeMutablePointer<UInt32>
  private let sets: UInt64
  private let ways: Int
  let cycles: UInt64
  /// The sets' number as a power of two, or -1.
  private let shift: Int

  init(_ geometry: CacheGeometry) {
    ways = geometry.ways
    sets = UInt64(geometry.sets)
    cycles = geometry.cycles
    shift = sets & (sets - 1) == 0 ? sets.trailingZeroBitCount : -1
    // SAFETY: a word for each way of each set.
    unsafe tags = zeroed(geometry.sets * geometry.ways)
  }

  func free() {
    // SAFETY: made in `init`; called once.
    unsafe Glibc.free(tags)
  }

  /// Whether the cache has a line; it then has it, as the one used last of its set.
  @inline(__always) func touch(_ line: UInt64) -> Bool {
    let set = shift >= 0 ? line & (sets &- 1) : line % sets
    // 1 more than what the set does not say, so that 0 is empty.
    let tag = UInt32(truncatingIfNeeded: (shift >= 0 ? line &>> UInt64(shift) : line / sets) &+ 1)
    let first = Int(truncatingIfNeeded: set) &* ways
    var moving = tag
    var way = 0
    // SAFETY: a set of the cache, and ways of it.
    while way < ways {
      let found = unsafe tags[first &+ way]
      unsafe tags[first &+ way] = moving
      if found == tag { return true }
      moving = found
      way &+= 1
    }
    return false
  }
}
