internal import Paging

/// A set-associative array with exact LRU: the primitive of the TLBs, of the paging-structure caches and of the caches
/// that the walker's references meet.
///
/// A set keeps its ways in order of use, the latest first and empty ones (tag 0) last. So the commonest hit is the first
/// comparison, the victim is always the last way, and a fill is a shift. It is a view: whoever made it owns the storage.
@safe struct RecencyArray {
  private let tags: UnsafeMutablePointer<UInt64>
  private let values: UnsafeMutablePointer<UInt64>
  let sets: Int
  let ways: Int
  /// Number of sets less one if that number is a power of two, otherwise 0: a division costs more than all the rest.
  private let mask: UInt64

  /// The two storages have `sets * ways` words each, at least one, all zero.
  init(tags: UnsafeMutablePointer<UInt64>, values: UnsafeMutablePointer<UInt64>, sets: Int, ways: Int) {
    unsafe self.tags = tags
    unsafe self.values = values
    self.sets = sets
    self.ways = ways
    mask = sets & (sets - 1) == 0 ? UInt64(sets - 1) : 0
  }

  /// Index of the first way of the set of a number.
  @inline(__always) private func first(_ number: UInt64) -> Int {
    Int(truncatingIfNeeded: mask != 0 || sets == 1 ? number & mask : number % UInt64(sets)) &* ways
  }

  /// The value of the latest way of a number's set if it has just this tag, else 0.
  @inline(__always) func latest(_ number: UInt64, _ tag: UInt64) -> UInt64 {
    let first = first(number)
    // SAFETY: the set is one of the array's; an array without ways has one word, whose tag is that of no look-up.
    return unsafe tags[first] == tag ? values[first] : 0
  }

  /// The value of the way with the tag, which becomes the latest; 0 if there is none.
  ///
  /// A tag matches if it is the same; or if it differs in the low 12 bits (the PCID) alone and the value says that those
  /// do not count (``TLBData/global``).
  @inline(__always) func search(_ number: UInt64, _ tag: UInt64) -> UInt64 {
    let first = first(number)
    // SAFETY: `place` stays within the ways of the set.
    let start = unsafe tags + first
    let end = unsafe start + ways
    var place = unsafe start
    while unsafe place != end {
      let found = unsafe place.pointee
      if found ^ tag <= TLBEntry.pcidMask {
        let way = unsafe first &+ (place - start)
        let value = unsafe values[way]
        if found == tag || value & TLBData.global != 0 {
          shift(first, to: way)
          unsafe start.pointee = found
          unsafe values[first] = value
          return value
        }
      }
      unsafe place += 1
    }
    return 0
  }

  /// Enters a tag that the array does not have, as the latest of its set; the least recently used goes.
  @inline(__always) func insert(_ number: UInt64, _ tag: UInt64, _ value: UInt64) {
    guard ways > 0 else { return }
    let first = first(number)
    shift(first, to: first &+ ways &- 1)
    // SAFETY: the set has a way.
    unsafe tags[first] = tag
    unsafe values[first] = value
  }

  /// Enters a tag as the latest of its set, over one that matches it if there is one.
  func replace(_ number: UInt64, _ tag: UInt64, _ value: UInt64) {
    guard search(number, tag) != 0 else { return insert(number, tag, value) }
    let first = first(number)
    // SAFETY: the set has a way, since a search found one.
    unsafe tags[first] = tag
    unsafe values[first] = value
  }

  /// Drops the ways of a number's set for which the condition holds.
  @inline(__always) func remove(_ number: UInt64, where condition: (TLBEntry) -> Bool) {
    removeWays(first(number), where: condition)
  }

  /// Drops all ways for which the condition holds.
  @inline(__always) func removeAll(where condition: (TLBEntry) -> Bool) {
    for set in 0..<sets { removeWays(set * ways, where: condition) }
  }

  /// Moves the ways that stay to the front, in their order.
  @inline(__always) private func removeWays(_ first: Int, where condition: (TLBEntry) -> Bool) {
    var kept = first
    // SAFETY: all indices are below `first + ways`.
    for way in first..<first + ways {
      let (tag, value) = unsafe (tags[way], values[way])
      if tag == 0 { break }
      if condition(TLBEntry(tag: tag, data: value)) { continue }
      unsafe tags[kept] = tag
      unsafe values[kept] = value
      kept += 1
    }
    while kept < first + ways, unsafe tags[kept] != 0 {
      unsafe tags[kept] = 0
      unsafe values[kept] = 0
      kept += 1
    }
  }

  /// Moves the ways before one back by one, over that one.
  @inline(__always) private func shift(_ first: Int, to way: Int) {
    // SAFETY: `way` is one of the set that begins at `first`.
    let count = way &- first
    let (tags, values) = unsafe (tags + first, values + first)
    if count > 16 {
      unsafe (tags + 1).update(from: tags, count: count)
      unsafe (values + 1).update(from: values, count: count)
      return
    }
    var index = count
    while index > 0 {
      unsafe tags[index] = tags[index &- 1]
      unsafe values[index] = values[index &- 1]
      index &-= 1
    }
  }
}
