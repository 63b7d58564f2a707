internal import Glibc
internal import Paging

/// A set-associative array with exact LRU: the primitive of the TLBs and of the paging-structure caches.
///
/// A set's ways are asked sixteen at a time. Each way has a *print*, eight bits hashed from its tag: sixteen prints are
/// compared at once, and only a way with the right print has its tag read. Each has a *rank*: 0 for the way used last, one
/// more for each that has been used since. To use a way adds 1 to the ranks below its own; the greatest rank names the
/// victim, and empty ways have the greatest. So nothing here depends on where in its set an entry lies, which no branch
/// predictor could guess.
///
/// A group of sixteen ways is one piece of storage: 16 ranks of 16 bits, 16 prints, the place of the way used last (in the
/// first group; 0: the set has never been filled), then tag (0: empty) and value of each way. Copies share the storage,
/// which whoever made the first must `free` once.
@safe struct RecencyArray {
  private typealias Prints = SIMD16<UInt8>
  private typealias Ranks = SIMD16<Int16>
  private static var lanes: Int { 16 }
  private static var printsOffset: Int { 32 }
  private static var latestOffset: Int { 48 }
  private static var entriesOffset: Int { 64 }
  private static var groupSize: Int { entriesOffset + 16 * lanes }

  private let storage: UnsafeMutableRawPointer
  /// The first set: within the storage, on a cache line's border.
  private let base: UnsafeMutableRawPointer
  /// Bytes of a set.
  private let stride: Int
  /// Number of sets less one if that number is a power of two, otherwise 0: a division costs more than all the rest.
  private let mask: UInt64
  let sets: Int
  let ways: Int
  /// Groups of sixteen ways, the last of them not always full.
  private let groups: Int
  /// By way of the last group, a bit.
  private let lastWays: UInt64

  /// Empty. With 0 ways it never holds anything; 32,767 are the most.
  init(sets: Int, ways: Int) {
    precondition(ways <= Int(Int16.max))
    self.sets = sets
    self.ways = ways
    mask = sets & (sets - 1) == 0 ? UInt64(sets - 1) : 0
    groups = max(1, (ways + Self.lanes - 1) / Self.lanes)
    // A way at least, so that an array without ways can be asked as any other.
    let rest = max(1, ways - (groups - 1) * Self.lanes)
    lastWays = 1 << UInt64(ways > 0 ? rest : 0) - 1
    stride = ((groups - 1) * Self.groupSize + Self.entriesOffset + 16 * rest + 63) & ~63
    let bytes: UnsafeMutablePointer<UInt8> = unsafe zeroed(sets * stride + 63)
    unsafe storage = UnsafeMutableRawPointer(bytes)
    unsafe base = storage.alignedUp(toMultipleOf: 64)
  }

  func free() {
    // SAFETY: made in `init`; called once.
    unsafe Glibc.free(storage)
  }

  /// The set of a number.
  @inline(__always) private func set(of number: UInt64) -> UnsafeMutableRawPointer {
    let set = mask != 0 || sets == 1 ? number & mask : number % UInt64(sets)
    // SAFETY: below the number of sets.
    return unsafe base + Int(truncatingIfNeeded: set) &* stride
  }

  /// Where tag and value of a way lie in its set.
  @inline(__always) private func place(of way: Int) -> Int {
    way &>> 4 &* Self.groupSize &+ Self.entriesOffset &+ (way & 15) &* 16
  }

  @inline(__always)
  private func entry(at place: Int, in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<TLBEntry> {
    // SAFETY: the place of a way, or 0, where a set that has never been filled has zeroes.
    unsafe (set + place).assumingMemoryBound(to: TLBEntry.self)
  }

  @inline(__always)
  private func entry(_ way: Int, in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<TLBEntry> {
    unsafe entry(at: place(of: way), in: set)
  }

  /// The place of the way used last; 0 if the set has never been filled.
  @inline(__always) private func latest(in set: UnsafeMutableRawPointer) -> Int {
    // SAFETY: within the first group.
    unsafe set.load(fromByteOffset: Self.latestOffset, as: Int.self)
  }

  /// Eight bits of a tag, of those that count in every match: not the low 12.
  @inline(__always) private func print(of tag: UInt64) -> UInt8 {
    // Multiplicative hashing, by 2^64 over the golden ratio (Knuth, The Art of Computer Programming 3, 6.4).
    UInt8(truncatingIfNeeded: ((tag &>> 12) &* 0x9e37_79b9_7f4a_7c15) &>> 56)
  }

  /// The value of the way that a number's set used last if it has just this tag, else 0.
  @inline(__always) func latest(_ number: UInt64, _ tag: UInt64) -> UInt64 {
    let set = unsafe set(of: number)
    let entry = unsafe entry(at: latest(in: set), in: set)
    return unsafe entry.pointee.tag == tag ? entry.pointee.data : 0
  }

  /// The value of the way with the tag, which is then the one used last; 0 if there is none.
  ///
  /// A tag matches if it is the same; or if it differs in the low 12 bits (the PCID) alone and the value says that those
  /// do not count (``TLBData/global``).
  @inline(__always) func search(_ number: UInt64, _ tag: UInt64) -> UInt64 {
    let set = unsafe set(of: number)
    guard let way = unsafe way(in: set, tag) else { return 0 }
    unsafe use(way, in: set)
    return unsafe entry(way, in: set).pointee.data
  }

  @inline(__always) private func way(in set: UnsafeMutableRawPointer, _ tag: UInt64) -> Int? {
    let wanted = Prints(repeating: print(of: tag))
    var group = 0
    while group < groups {
      // SAFETY: a group of the set.
      let prints = unsafe set.load(fromByteOffset: group &* Self.groupSize &+ Self.printsOffset, as: Prints.self)
      var candidates = bits(of: prints .== wanted)
      if group == groups &- 1 { candidates &= lastWays }
      while candidates != 0 {
        let way = group &* Self.lanes &+ candidates.trailingZeroBitCount
        if unsafe entry(way, in: set).pointee.matches(tag) { return way }
        candidates &= candidates &- 1
      }
      group &+= 1
    }
    return nil
  }

  /// A bit for each lane of a mask.
  @inline(__always) private func bits(of mask: SIMDMask<SIMD16<Int8>>) -> UInt64 {
    // Of each byte all ones or all zeroes a bit of its own, then all of them added up in the uppermost.
    // SAFETY: a mask is 16 bytes.
    let bytes = unsafe unsafeBitCast(mask, to: SIMD2<UInt64>.self) & SIMD2(repeating: 0x8040_2010_0804_0201)
    let low = (bytes[0] &* 0x0101_0101_0101_0101) &>> 56
    let high = (bytes[1] &* 0x0101_0101_0101_0101) &>> 56
    return low | high &<< 8
  }

  /// Enters a tag that the array does not have; the least recently used of its set goes.
  @inline(__always) func insert(_ number: UInt64, _ tag: UInt64, _ value: UInt64) {
    guard ways > 0 else { return }
    let set = unsafe set(of: number)
    let way = unsafe oldestWay(in: set)
    unsafe write(TLBEntry(tag: tag, data: value), way, in: set)
    unsafe use(way, in: set)
  }

  /// Enters a tag, over one that matches it if there is one.
  func replace(_ number: UInt64, _ tag: UInt64, _ value: UInt64) {
    let set = unsafe set(of: number)
    guard let way = unsafe way(in: set, tag) else { return insert(number, tag, value) }
    unsafe write(TLBEntry(tag: tag, data: value), way, in: set)
    unsafe use(way, in: set)
  }

  @inline(__always) private func write(_ new: TLBEntry, _ way: Int, in set: UnsafeMutableRawPointer) {
    unsafe entry(way, in: set).pointee = new
    let place = way &>> 4 &* Self.groupSize &+ Self.printsOffset &+ way & 15
    // SAFETY: a way of the set.
    unsafe set.storeBytes(of: print(of: new.tag), toByteOffset: place, as: UInt8.self)
  }
}

// MARK: - Order of use

extension RecencyArray {
  /// Where the ranks of a group lie.
  @inline(__always)
  private func ranks(_ group: Int, in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Ranks> {
    let place = group &* Self.groupSize
    // SAFETY: a group of the set, on a border of 64 bytes.
    return unsafe (set + place).assumingMemoryBound(to: Ranks.self)
  }

  /// Where the rank of a way lies.
  @inline(__always)
  private func rank(_ way: Int, in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Int16> {
    let place = way &>> 4 &* Self.groupSize &+ (way & 15) &* 2
    // SAFETY: a way of the set, or a lane without a way.
    return unsafe (set + place).assumingMemoryBound(to: Int16.self)
  }

  /// The way with the greatest rank: an empty one if there is any, else the one not used for the longest time.
  @inline(__always) private func oldestWay(in set: UnsafeMutableRawPointer) -> Int {
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
  @inline(__always) private func use(_ way: Int, in set: UnsafeMutableRawPointer) {
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
  private func drop(_ way: Int, in set: UnsafeMutableRawPointer) {
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

// MARK: - Removal

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
    if unsafe latest(in: set) == 0 { return }
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
      if unsafe latest(in: set) != 0 { unsafe memset(set, 0, stride) }
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
