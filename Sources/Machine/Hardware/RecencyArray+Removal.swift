internal import Glibc
internal import Paging

/// What drops, or goes over, many ways.
extension RecencyArray {
  /// Drops the ways of a number's set for which the condition holds.
  @inline(__always) func remove(_ number: UInt64, where condition: (TLBEntry) -> Bool) {
    unsafe removeWays(of: set(of: number), where: condition)
  }

  /// Drops all ways for which the condition holds.
  @inline(__always) func removeAll(where condition: (TLBEntry) -> Bool) {
    // SAFETY: the sets of the array.
    for set in 0..<sets { unsafe removeWays(of: base + set &* stride, where: condition) }
  }

  @inline(__always)
  private func removeWays(of set: UnsafeMutableRawPointer, where condition: (TLBEntry) -> Bool) {
    if unsafe !hasBegun(in: set) { return }
    for way in 0..<ways {
      let entry = unsafe entry(way, in: set).pointee
      if entry.tag != 0 && condition(entry) { unsafe drop(way, in: set) }
    }
  }

  /// Drops everything.
  func removeAll() {
    for set in 0..<sets {
      // SAFETY: a set of the array; zero as when it was made.
      let set = unsafe base + set &* stride
      if unsafe hasBegun(in: set) { unsafe memset(set, 0, stride) }
    }
  }

  /// Replaces the value of every way that is not empty.
  func mapValues(_ transform: (UInt64) -> UInt64) {
    for set in 0..<sets {
      for way in 0..<ways {
        // SAFETY: a set of the array.
        let entry = unsafe entry(way, in: base + set &* stride)
        if unsafe entry.pointee.tag != 0 { unsafe entry.pointee.data = transform(entry.pointee.data) }
      }
    }
  }

  /// What the array holds, set by set.
  var entries: [TLBEntry] {
    // SAFETY: the sets of the array.
    (0..<sets).flatMap { set in (0..<ways).map { unsafe entry($0, in: base + set &* stride).pointee } }
      .filter { $0.tag != 0 }
  }
}
