internal import Paging

/// The order of use: of up to sixteen ways a ``RecencyWord``; more ways have a list, see `RecencyArray+List`, and the first TLB
/// level has times, see `RecencyArray+Times`.
extension RecencyArray {
  @inline(__always) private func word(in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<RecencyWord> {
    // SAFETY: within the set.
    unsafe set.assumingMemoryBound(to: RecencyWord.self)
  }

  /// Makes a way the one used last.
  @inline(__always) func use(_ way: Int, in set: UnsafeMutableRawPointer) {
    if hasTimes { return unsafe setTime(way, in: set) }
    if hasWord { unsafe word(in: set).pointee.use(way) } else { unsafe moveToFront(way, in: set) }
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
    let way = unsafe turn(set)
    unsafe write(new, way, in: set)
    return way
  }

  /// Makes the oldest way the latest, of an order that is a word or a list.
  @inline(__always) private func turn(_ set: UnsafeMutableRawPointer) -> Int {
    unsafe hasWord ? word(in: set).pointee.turn(geometry.order) : turnList(in: set)
  }

  /// Enters a tag that the array does not have; the least recently used of its set goes. The array must have ways, and
  /// its order must not be times.
  @inline(__always) func insert(_ number: UInt64, _ tag: UInt64, _ value: UInt64) {
    let set = unsafe set(of: number)
    if unsafe !hasBegun(in: set) { unsafe beginOrder(in: set) }
    unsafe write(TLBEntry(tag: tag, data: value), turn(set), in: set)
  }

  @inline(never) private func beginOrder(in set: UnsafeMutableRawPointer) {
    unsafe setBegun(in: set)
    if hasTimes { return }
    if hasWord { unsafe word(in: set).pointee = .untouched(geometry.order) } else { unsafe beginList(in: set) }
  }

  /// Empties a way and makes it the oldest.
  func drop(_ way: Int, in set: UnsafeMutableRawPointer) {
    unsafe write(.empty, way, in: set)
    // Its time is 0 now.
    if hasTimes { return }
    if hasWord {
      unsafe word(in: set).pointee.retire(way, geometry.order)
    } else {
      unsafe moveToBack(way, in: set)
    }
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
