internal import Glibc
internal import Paging

/// The caches that the page walker's references go through: what a reference costs depends on where its line lies.
///
/// A small model on purpose: only page-table entries are in it, so they never compete with a program's data.
struct WalkCache: ~Copyable {
  private let first: CacheLevel
  private let further: [CacheLevel]
  private let memory: UInt64

  init(_ geometries: [CacheGeometry], memory: UInt64) {
    self.memory = memory
    let levels = geometries.map(CacheLevel.init)
    // Without caches, one that has every line, at memory's price.
    first = levels.first ?? CacheLevel(CacheGeometry(sets: 1, ways: 0, cycles: memory))
    further = Array(levels.dropFirst())
  }

  deinit {
    first.free()
    for level in further { level.free() }
  }

  /// Cycles of a reference to a page-table entry: the levels are asked in order, and those that did not have the line
  /// then have it.
  @inline(__always) mutating func cycles(of address: MachineAddress) -> UInt64 {
    let line = address.raw &>> 6
    return first.touch(line) ? first.cycles : furtherCycles(line)
  }

  @inline(never) private mutating func furtherCycles(_ line: UInt64) -> UInt64 {
    for level in further where level.touch(line) { return level.cycles }
    return memory
  }
}

/// One level: a set-associative cache of lines with exact LRU, of which only the tags are kept.
///
/// The tags of a set lie in the order of their use, 32 bits each, so that a set of up to 16 ways is one cache line of the machine
/// that runs memlab: a walk's references go all over the cache, and each set that must be fetched from memory costs more
/// than to look through it. The commonest widths are searched and shifted four tags at a time where they miss. Copies share
/// the storage, which whoever made the first must `free` once.
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
    // SAFETY: a word for each way of each set, and one for a cache without any.
    unsafe tags = zeroed(geometry.sets * geometry.ways + 1)
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
    // SAFETY: a set of the cache.
    let first = unsafe tags + Int(truncatingIfNeeded: set) &* ways
    if unsafe first.pointee == tag || ways == 0 { return true }
    if unsafe ways == 8 && enter(tag, inEight: first) || ways == 16 && enter(tag, inSixteen: first) { return false }
    return unsafe moveToFront(tag, first)
  }

  private func moveToFront(_ tag: UInt32, _ first: UnsafeMutablePointer<UInt32>) -> Bool {
    var moving = tag
    var way = 0
    // SAFETY: ways of the set.
    while way < ways {
      let found = unsafe first[way]
      unsafe first[way] = moving
      if found == tag { return true }
      moving = found
      way &+= 1
    }
    return false
  }

  /// Enters a tag in a set of eight ways that does not have it, all at once; false, and nothing is done, if it has.
  @inline(__always) private func enter(_ tag: UInt32, inEight first: UnsafeMutablePointer<UInt32>) -> Bool {
    // SAFETY: a set has as many words as ways.
    let set = UnsafeMutableRawPointer(first)
    let (a, b) = (unsafe Self.four(set), unsafe Self.four(set + 16))
    let wanted = SIMD4(repeating: tag)
    if Self.holds((a .== wanted) .| (b .== wanted)) { return false }
    unsafe Self.store(tag, a, at: set)
    unsafe Self.store(a[3], b, at: set + 16)
    return true
  }

  @inline(__always) private func enter(_ tag: UInt32, inSixteen first: UnsafeMutablePointer<UInt32>) -> Bool {
    // SAFETY: a set has as many words as ways.
    let set = UnsafeMutableRawPointer(first)
    let (a, b) = (unsafe Self.four(set), unsafe Self.four(set + 16))
    let (c, d) = (unsafe Self.four(set + 32), unsafe Self.four(set + 48))
    let wanted = SIMD4(repeating: tag)
    if Self.holds((a .== wanted) .| (b .== wanted) .| (c .== wanted) .| (d .== wanted)) { return false }
    unsafe Self.store(tag, a, at: set)
    unsafe Self.store(a[3], b, at: set + 16)
    unsafe Self.store(b[3], c, at: set + 32)
    unsafe Self.store(c[3], d, at: set + 48)
    return true
  }

  /// Whether any lane does; the library's own `any` is not always inlined.
  @inline(__always) private static func holds(_ mask: SIMDMask<SIMD4<Int32>>) -> Bool {
    // SAFETY: a mask is 16 bytes.
    let words = unsafe unsafeBitCast(mask, to: SIMD2<UInt64>.self)
    return words[0] | words[1] != 0
  }

  @inline(__always) private static func four(_ place: UnsafeMutableRawPointer) -> SIMD4<UInt32> {
    unsafe place.loadUnaligned(as: SIMD4<UInt32>.self)
  }

  /// Four words, one place further on behind another; the last goes.
  @inline(__always)
  private static func store(_ before: UInt32, _ four: SIMD4<UInt32>, at place: UnsafeMutableRawPointer) {
    unsafe place.storeBytes(of: SIMD4(before, four[0], four[1], four[2]), as: SIMD4<UInt32>.self)
  }
}
