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
  typealias Ranks = SIMD16<Int16>
  static var lanes: Int { 16 }
  static var printsOffset: Int { 32 }
  static var latestOffset: Int { 48 }
  private static var entriesOffset: Int { 64 }
  static var groupSize: Int { entriesOffset + 16 * lanes }

  private let storage: UnsafeMutableRawPointer
  /// The first set: within the storage, on a cache line's border.
  let base: UnsafeMutableRawPointer
  /// Bytes of a set.
  let stride: Int
  /// Number of sets less one if that number is a power of two, otherwise 0: a division costs more than all the rest.
  private let mask: UInt64
  let sets: Int
  let ways: Int
  /// Groups of sixteen ways, the last of them not always full.
  let groups: Int
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
  @inline(__always) func set(of number: UInt64) -> UnsafeMutableRawPointer {
    let set = mask != 0 || sets == 1 ? number & mask : number % UInt64(sets)
    // SAFETY: below the number of sets.
    return unsafe base + Int(truncatingIfNeeded: set) &* stride
  }

  /// Where tag and value of a way lie in its set.
  @inline(__always) func place(of way: Int) -> Int {
    way &>> 4 &* Self.groupSize &+ Self.entriesOffset &+ (way & 15) &* 16
  }

  @inline(__always)
  func entry(at place: Int, in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<TLBEntry> {
    // SAFETY: the place of a way, or 0, where a set that has never been filled has zeroes.
    unsafe (set + place).assumingMemoryBound(to: TLBEntry.self)
  }

  @inline(__always)
  func entry(_ way: Int, in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<TLBEntry> {
    unsafe entry(at: place(of: way), in: set)
  }

  /// The place of the way used last; 0 if the set has never been filled.
  @inline(__always) func latest(in set: UnsafeMutableRawPointer) -> Int {
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
  @inline(__always) func bits(of mask: SIMDMask<SIMD16<Int8>>) -> UInt64 {
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

  @inline(__always) func write(_ new: TLBEntry, _ way: Int, in set: UnsafeMutableRawPointer) {
    unsafe entry(way, in: set).pointee = new
    let place = way &>> 4 &* Self.groupSize &+ Self.printsOffset &+ way & 15
    // SAFETY: a way of the set.
    unsafe set.storeBytes(of: print(of: new.tag), toByteOffset: place, as: UInt8.self)
  }
}
