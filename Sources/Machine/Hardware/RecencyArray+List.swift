internal import Paging

/// The order of use of more than sixteen ways: a ring of links, from the way used last to the ones used before.
///
/// To use a way, or to drop it, moves it to the front or to the back by six stores, however many there are; the victim is
/// the last, which a new entry makes the first by turning the ring.
extension RecencyArray {
  /// The link to the way used before; that of the oldest leads to the latest.
  @inline(__always)
  private func older(_ way: Int, in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt16> {
    unsafe newer(way, in: set) - Self.lanes &* geometry.groups
  }

  /// The link to the way used after; that of the latest leads to the oldest.
  @inline(__always)
  private func newer(_ way: Int, in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt16> {
    // SAFETY: a way of the set.
    unsafe (set + geometry.linksOffset).assumingMemoryBound(to: UInt16.self) + way
  }

  /// The way used last.
  @inline(__always) private func front(in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Int> {
    // SAFETY: within the set.
    unsafe set.assumingMemoryBound(to: Int.self)
  }

  /// The ring of a set that has never been filled.
  func beginList(in set: UnsafeMutableRawPointer) {
    for way in 0..<ways {
      unsafe older(way, in: set).pointee = UInt16((way + 1) % ways)
      unsafe newer(way, in: set).pointee = UInt16((way + ways - 1) % ways)
    }
  }

  /// Makes the oldest way the latest.
  @inline(__always) func turnList(in set: UnsafeMutableRawPointer) -> Int {
    let front = unsafe front(in: set)
    unsafe front.pointee = Int(newer(front.pointee, in: set).pointee)
    return unsafe front.pointee
  }

  /// Makes a way the latest.
  @inline(__always) func moveToFront(_ way: Int, in set: UnsafeMutableRawPointer) {
    let front = unsafe front(in: set)
    if unsafe way == front.pointee { return }
    unsafe moveBetweenEnds(way, in: set)
    unsafe front.pointee = way
  }

  /// Makes a way the oldest.
  func moveToBack(_ way: Int, in set: UnsafeMutableRawPointer) {
    let front = unsafe front(in: set)
    if unsafe way == front.pointee {
      unsafe front.pointee = Int(older(way, in: set).pointee)
    } else {
      unsafe moveBetweenEnds(way, in: set)
    }
  }

  /// Moves a way that is not the latest to where the oldest and the latest meet.
  @inline(__always) private func moveBetweenEnds(_ way: Int, in set: UnsafeMutableRawPointer) {
    let (toOlder, toNewer) = unsafe (older(way, in: set), newer(way, in: set))
    unsafe newer(Int(toOlder.pointee), in: set).pointee = toNewer.pointee
    unsafe older(Int(toNewer.pointee), in: set).pointee = toOlder.pointee
    let latest = unsafe front(in: set).pointee
    let oldest = unsafe newer(latest, in: set).pointee
    unsafe older(Int(oldest), in: set).pointee = UInt16(truncatingIfNeeded: way)
    unsafe newer(latest, in: set).pointee = UInt16(truncatingIfNeeded: way)
    unsafe toNewer.pointee = oldest
    unsafe toOlder.pointee = UInt16(truncatingIfNeeded: latest)
  }
}
