internal import Paging

/// The order of use: a rank for each way.
extension RecencyArray {
  /// Where the ranks of a group lie.
  @inline(__always)
  func ranks(_ group: Int, in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Ranks> {
    let place = group &* Self.groupSize
    // SAFETY: a group of the set, on a border of 64 bytes.
    return unsafe (set + place).assumingMemoryBound(to: Ranks.self)
  }

  /// Where the rank of a way lies.
  @inline(__always)
  func rank(_ way: Int, in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Int16> {
    let place = way &>> 4 &* Self.groupSize &+ (way & 15) &* 2
    // SAFETY: a way of the set, or a lane without a way.
    return unsafe (set + place).assumingMemoryBound(to: Int16.self)
  }

  /// The way with the greatest rank: an empty one if there is any, else the one not used for the longest time.
  @inline(__always) func oldestWay(in set: UnsafeMutableRawPointer) -> Int {
    if unsafe latest(in: set) == 0 { unsafe rankAll(in: set) }
    let oldest = Ranks(repeating: Int16(truncatingIfNeeded: ways &- 1))
    var group = 0
    // SAFETY: some way of the set has the greatest rank, so the group is one of the set's.
    while true {
      let found = unsafe bits(of: ranks(group, in: set).pointee .== oldest)
      if found != 0 { return group &* Self.lanes &+ found.trailingZeroBitCount }
      group &+= 1
    }
  }

  /// The ranks of a set that has never been filled. Lanes without a way get one that no way ever has.
  @inline(never) private func rankAll(in set: UnsafeMutableRawPointer) {
    for lane in 0..<groups * Self.lanes {
      unsafe rank(lane, in: set).pointee = lane < ways ? Int16(lane) : Int16.max
    }
  }

  /// A bit for each lane of a mask.
  @inline(__always) private func bits(of mask: SIMDMask<SIMD16<Int16>>) -> UInt64 {
    let weights: SIMD16<UInt16> = [
      1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000, 0x4000, 0x8000,
    ]
    // Of each lane a bit of its own, then all of them added up in the uppermost of four.
    // SAFETY: a mask is 32 bytes.
    let lanes = unsafe unsafeBitCast(mask, to: SIMD16<UInt16>.self) & weights
    let words = unsafe unsafeBitCast(lanes.lowHalf | lanes.highHalf, to: SIMD2<UInt64>.self)
    return ((words[0] | words[1]) &* 0x0001_0001_0001_0001) &>> 48
  }

  /// Makes a way the one used last.
  @inline(__always) func use(_ way: Int, in set: UnsafeMutableRawPointer) {
    // SAFETY: within the first group.
    unsafe set.storeBytes(of: place(of: way), toByteOffset: Self.latestOffset, as: Int.self)
    let limit = unsafe Ranks(repeating: rank(way, in: set).pointee)
    var group = 0
    while group < groups {
      let ranks = unsafe ranks(group, in: set)
      unsafe ranks.pointee.replace(with: ranks.pointee &+ 1, where: ranks.pointee .< limit)
      group &+= 1
    }
    unsafe rank(way, in: set).pointee = 0
  }

  /// Empties a way and makes it the oldest.
  func drop(_ way: Int, in set: UnsafeMutableRawPointer) {
    unsafe write(.empty, way, in: set)
    let limit = unsafe Ranks(repeating: rank(way, in: set).pointee)
    for group in 0..<groups {
      let ranks = unsafe ranks(group, in: set)
      let isOlder = unsafe (ranks.pointee .> limit) .& (ranks.pointee .!= Int16.max)
      unsafe ranks.pointee.replace(with: ranks.pointee &- 1, where: isOlder)
    }
    unsafe rank(way, in: set).pointee = Int16(truncatingIfNeeded: ways &- 1)
  }
}
