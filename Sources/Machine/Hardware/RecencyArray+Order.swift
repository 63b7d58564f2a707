internal import Paging

/// The order of use of up to sixteen ways: a word with a nibble for each way, that of the way used last in the lowest.
///
/// To use a way moves its nibble down past those used since, which is arithmetic on one word wherever it was; the victim
/// is the topmost nibble, and a new entry shifts the word. More ways have a list, see `RecencyArray+List`, and the first TLB
/// level has times, see `RecencyArray+Times`.
extension RecencyArray {
  private static var nibbles: UInt64 { 0x1111_1111_1111_1111 }
  /// Before any way was used, so that the first ways filled are the last.
  private static var untouched: UInt64 { 0xfedc_ba98_7654_3210 }

  @inline(__always) private func word(in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt64> {
    // SAFETY: within the set.
    unsafe set.assumingMemoryBound(to: UInt64.self)
  }

  /// The bit at which a way's nibble begins in a word that has it.
  @inline(__always) private func position(of way: Int, in word: UInt64) -> UInt64 {
    let difference = word ^ UInt64(truncatingIfNeeded: way) &* Self.nibbles
    // The top bit of the lowest nibble that is 0 (Warren, Hacker's Delight, 6-1).
    let zero = (difference &- Self.nibbles) & ~difference & (Self.nibbles &<< 3)
    return UInt64(truncatingIfNeeded: zero.trailingZeroBitCount &- 3)
  }

  /// Makes a way the one used last.
  @inline(__always) func use(_ way: Int, in set: UnsafeMutableRawPointer) {
    if hasTimes { return unsafe setTime(way, in: set) }
    guard hasWord else { return unsafe moveToFront(way, in: set) }
    let word = unsafe word(in: set)
    let order = unsafe word.pointee
    // Of the nibbles up to the way's own.
    let moved = (16 &<< position(of: way, in: order)) &- 1
    unsafe word.pointee = order & ~moved | (order &<< 4) & moved | UInt64(truncatingIfNeeded: way)
  }

  /// Gives the way that was not used for the longest time, an empty one if there is any, a new entry;
  /// returns it.
  @inline(__always) func replaceOldest(in set: UnsafeMutableRawPointer, _ new: TLBEntry) -> Int {
    if unsafe !hasBegun(in: set) { unsafe beginOrder(in: set) }
    if hasTimes {
      let way = unsafe earliest(in: set)
      unsafe write(new, way, in: set)
      unsafe setTime(way, in: set)
      return way
    }
    let way = unsafe hasWord ? turnWord(in: set) : turnList(in: set)
    unsafe write(new, way, in: set)
    return way
  }

  /// Makes the oldest way the latest.
  @inline(__always) private func turnWord(in set: UnsafeMutableRawPointer) -> Int {
    let word = unsafe word(in: set)
    let order = unsafe word.pointee
    let way = order &>> geometry.victimShift & 15
    unsafe word.pointee = (order &<< 4 | way) & geometry.wordMask
    return Int(truncatingIfNeeded: way)
  }

  @inline(never) private func beginOrder(in set: UnsafeMutableRawPointer) {
    unsafe setBegun(in: set)
    if hasTimes { return }
    let mask = geometry.wordMask
    if hasWord { unsafe word(in: set).pointee = Self.untouched & mask } else { unsafe beginList(in: set) }
  }

  /// Empties a way and makes it the oldest.
  func drop(_ way: Int, in set: UnsafeMutableRawPointer) {
    unsafe write(.empty, way, in: set)
    // Its time is 0 now.
    if hasTimes { return }
    guard hasWord else { return unsafe moveToBack(way, in: set) }
    let word = unsafe word(in: set)
    let order = unsafe word.pointee
    let newer = 1 &<< position(of: way, in: order) &- 1
    let oldest = UInt64(truncatingIfNeeded: way) &<< geometry.victimShift
    unsafe word.pointee = order & newer | (order &>> 4) & ~newer | oldest
  }

  /// Enters a tag, over one that matches it if there is one.
  func replace(_ number: UInt64, _ tag: UInt64, _ value: UInt64) {
    guard ways > 0 else { return }
    let set = unsafe set(of: number)
    let new = TLBEntry(tag: tag, data: value)
    let way = unsafe way(in: set, tag)
    if way < 0 {
      _ = unsafe replaceOldest(in: set, new)
    } else {
      unsafe write(new, way, in: set)
      unsafe use(way, in: set)
    }
  }
}
