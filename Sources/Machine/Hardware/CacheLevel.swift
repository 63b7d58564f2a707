internal import Glibc
internal import Paging

/// A level of ``WalkCache``: a set-associative cache of lines with exact LRU, of which only the tags are kept.
///
/// A set has a row of 8 or 16 tags of 32 bits, so that it is one cache line of the machine that runs memlab: a walk's
/// references go all over the cache, and each line that must be fetched from memory costs more than to look through it. All
/// of a row is compared at once, and its order of use is a ``RecencyWord`` elsewhere: where in a set a line is, no branch
/// predictor could guess. More than 16 ways lie in the order of their use. Copies share the storage, which whoever made the
/// first must `free` once.
@safe struct CacheLevel {
  private let tags: UnsafeMutablePointer<UInt32>
  /// By set.
  private let orders: UnsafeMutablePointer<RecencyWord>
  private let sets: UInt64
  /// The sets' number as a power of two, or -1.
  private let shift: Int
  private let ways: Int
  private let order: RecencyWord.Ways
  /// Tags of a row: 8, or 16, or of more ways their number; 0 if there are none.
  private let row: Int
  let cycles: UInt64

  /// Empty. Without ways it has every line.
  init(_ geometry: CacheGeometry) {
    ways = geometry.ways
    sets = UInt64(geometry.sets)
    cycles = geometry.cycles
    shift = sets & (sets - 1) == 0 ? sets.trailingZeroBitCount : -1
    order = RecencyWord.Ways(min(ways, 16))
    row = ways == 0 ? 0 : ways <= 8 ? 8 : max(ways, 16)
    unsafe tags = zeroed(geometry.sets * row)
    unsafe orders = zeroed(geometry.sets)
  }

  /// Has every line.
  static func all(_ cycles: UInt64) -> CacheLevel { CacheLevel(CacheGeometry(sets: 1, ways: 0, cycles: cycles)) }

  func free() {
    // SAFETY: made in `init`; called once.
    unsafe Glibc.free(tags)
    unsafe Glibc.free(orders)
  }

  /// Whether the cache has a line; it then has it, as the one used last of its set.
  @inline(__always) func touch(_ line: UInt64) -> Bool {
    guard shift >= 0 else { return touch(line / sets, in: line % sets) }
    return touch(line &>> UInt64(truncatingIfNeeded: shift), in: line & (sets &- 1))
  }

  @inline(__always) private func touch(_ rest: UInt64, in set: UInt64) -> Bool {
    let set = Int(truncatingIfNeeded: set)
    // SAFETY: a set of the cache.
    let tags = unsafe tags + set &* row
    // 1 more than what the set does not say, so that 0 is empty.
    let tag = UInt32(truncatingIfNeeded: rest &+ 1)
    guard row == 8 || row == 16 else { return unsafe moveToFront(tag, tags) }
    let found = unsafe row == 8 ? Self.place(of: tag, inEight: tags) : Self.place(of: tag, inSixteen: tags)
    // SAFETY: as above.
    let order = unsafe orders + set
    if found != 0 {
      unsafe order.pointee.use(Int(truncatingIfNeeded: found &- 1))
      return true
    }
    if unsafe order.pointee.isZero { unsafe order.pointee = .untouched(self.order) }
    // SAFETY: a way is below the number of tags in the row.
    unsafe tags[order.pointee.turn(self.order)] = tag
    return false
  }

  private func moveToFront(_ tag: UInt32, _ first: UnsafeMutablePointer<UInt32>) -> Bool {
    if ways == 0 { return true }
    var moving = tag
    // SAFETY: ways of the set.
    for way in 0..<ways {
      let found = unsafe first[way]
      unsafe first[way] = moving
      if found == tag { return true }
      moving = found
    }
    return false
  }
}

extension CacheLevel {
  private typealias Four = SIMD4<UInt32>

  /// Which of eight tags is this one, counted from 1; 0 if none is.
  @inline(__always)
  private static func place(of tag: UInt32, inEight tags: UnsafeMutablePointer<UInt32>) -> UInt32 {
    unsafe fold(places(of: tag, tags, Four(1, 2, 3, 4)) | places(of: tag, tags + 4, Four(5, 6, 7, 8)))
  }

  @inline(__always)
  private static func place(of tag: UInt32, inSixteen tags: UnsafeMutablePointer<UInt32>) -> UInt32 {
    let low = unsafe places(of: tag, tags, Four(1, 2, 3, 4)) | places(of: tag, tags + 4, Four(5, 6, 7, 8))
    // SAFETY: the row has as many.
    let high = unsafe places(of: tag, tags + 8, Four(9, 10, 11, 12)) | places(of: tag, tags + 12, Four(13, 14, 15, 16))
    return fold(low | high)
  }

  /// Of each of four tags that is this one, its place.
  @inline(__always)
  private static func places(of tag: UInt32, _ tags: UnsafeMutablePointer<UInt32>, _ places: Four) -> Four {
    let four = unsafe UnsafeRawPointer(tags).loadUnaligned(as: Four.self)
    // SAFETY: a mask is 16 bytes.
    return unsafe unsafeBitCast(four .== Four(repeating: tag), to: Four.self) & places
  }

  /// The lane that is not 0, if one is; the library's own sum is not always inlined.
  @inline(__always) private static func fold(_ lanes: Four) -> UInt32 {
    // SAFETY: 16 bytes.
    let words = unsafe unsafeBitCast(lanes, to: SIMD2<UInt64>.self)
    let both = words[0] | words[1]
    return UInt32(truncatingIfNeeded: both | both &>> 32)
  }
}
