internal import Glibc
internal import Paging

/// A set-associative array with exact LRU: the primitive of the TLBs and of the paging-structure caches.
///
/// A set's ways are asked sixteen at a time. Each way has a *print*, eight bits hashed from its tag: sixteen prints are
/// compared at once, and only a way with the right print has its tag read. The order of use is a word, or a list, or times.
/// So nothing here depends on where in its set an entry lies, which no branch predictor could guess.
///
/// A set is one piece of storage: the word of its order (of a list: the way used last), whether it has ever been filled,
/// then 16 bytes of prints for each sixteen ways begun, of a list two links of 16 bits for each of these, tag (0: empty)
/// and value of each way, and in the first TLB level its ``EntryUsage``.
///
/// The array itself is one pointer, so that it costs nothing to hand it on. Copies share the storage, which whoever made
/// the first must `free` once.
@safe struct RecencyArray {
  private typealias Prints = SIMD16<UInt8>
  static var lanes: Int { 16 }
  private static var beginOffset: Int { 8 }
  private static var printsOffset: Int { 16 }

  /// What does not change.
  @safe struct Geometry {
    fileprivate let storage: UnsafeMutableRawPointer
    /// The first set: within the storage, on a cache line's border.
    let base: UnsafeMutableRawPointer
    /// Bytes of a set.
    let stride: Int
    /// Number of sets less one if that number is a power of two, otherwise all bits: a division costs more than all the rest.
    let mask: UInt64
    let sets: Int
    let ways: Int
    /// Groups of sixteen ways, the last of them not always full.
    let groups: Int
    /// Where in a set the entries begin, and the links to newer ways; those to older ways lie before them.
    let entriesOffset: Int
    let linksOffset: Int
    /// By way of the last group, a bit.
    let lastWays: UInt64
    /// Of an order that is a word.
    let order: RecencyWord.Ways
    /// Where in a set the usages begin, 0 if there are none.
    let usagesOffset: Int
    /// If the order is times.
    let clock: UseClock?
    /// If usages are kept beside a list: the latest.
    fileprivate var only: UnsafeMutablePointer<EntryUsage>?
  }

  private let place: UnsafeMutablePointer<Geometry>

  // SAFETY: initialised in `init`.
  @inline(__always) var geometry: Geometry { unsafe place.pointee }
  @inline(__always) var sets: Int { unsafe place.pointee.sets }
  @inline(__always) var ways: Int { unsafe place.pointee.ways }
  @inline(__always) var base: UnsafeMutableRawPointer { unsafe place.pointee.base }
  @inline(__always) var stride: Int { unsafe place.pointee.stride }
  /// The order is a word: one group.
  @inline(__always) var hasWord: Bool { unsafe place.pointee.groups == 1 }
  @inline(__always) var hasTimes: Bool { unsafe place.pointee.clock != nil }
  @inline(__always) var hasUsages: Bool { unsafe place.pointee.usagesOffset != 0 }

  /// Empty. With 0 ways it never holds anything; 32,767 are the most. `clock`: usages are kept, with times by it.
  init(sets: Int, ways: Int, clock: UseClock? = nil) {
    precondition(ways <= Int(Int16.max))
    let groups = max(1, (ways + Self.lanes - 1) / Self.lanes)
    let links = Self.printsOffset + Self.lanes * groups
    let entries = groups == 1 ? links : links + 4 * Self.lanes * groups
    // A way at least, so that an array without ways can be asked as any other.
    let usages = clock == nil ? 0 : entries + 16 * max(1, ways)
    let stride = (usages == 0 ? entries + 16 * max(1, ways) + 63 : usages + 32 * max(1, ways) + 63) & ~63
    let lastWays = ways - (groups - 1) * Self.lanes
    let bytes: UnsafeMutablePointer<UInt8> = unsafe zeroed(sets * stride + 63)
    let storage = UnsafeMutableRawPointer(bytes)
    let geometry = unsafe Geometry(
      storage: storage, base: storage.alignedUp(toMultipleOf: 64), stride: stride,
      mask: sets & (sets - 1) == 0 ? UInt64(sets - 1) : .max, sets: sets, ways: ways, groups: groups,
      entriesOffset: entries, linksOffset: links + 2 * Self.lanes * groups, lastWays: 1 << UInt64(lastWays) - 1,
      order: RecencyWord.Ways(ways), usagesOffset: usages,
      clock: ways <= Self.mostWithTimes ? clock : nil)
    unsafe place = .allocate(capacity: 1)
    unsafe place.initialize(to: geometry)
  }

  func free() {
    // SAFETY: made in `init`; called once.
    unsafe Glibc.free(place.pointee.storage)
    unsafe place.deallocate()
  }

  /// The set of a number.
  @inline(__always) func set(of number: UInt64) -> UnsafeMutableRawPointer {
    let mask = unsafe place.pointee.mask
    let set = mask != .max ? number & mask : remainder(number)
    // SAFETY: below the number of sets.
    return unsafe base + Int(truncatingIfNeeded: set) &* stride
  }

  @inline(never) private func remainder(_ number: UInt64) -> UInt64 { number % UInt64(sets) }

  @inline(__always)
  func entry(_ way: Int, in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<TLBEntry> {
    // SAFETY: a way of the set.
    unsafe (set + (place.pointee.entriesOffset &+ way &* 16)).assumingMemoryBound(to: TLBEntry.self)
  }

  /// Whether the set has ever been filled, so that it has an order.
  @inline(__always) func hasBegun(in set: UnsafeMutableRawPointer) -> Bool {
    // SAFETY: within the set.
    unsafe set.load(fromByteOffset: Self.beginOffset, as: Bool.self)
  }

  @inline(__always) func setBegun(in set: UnsafeMutableRawPointer) {
    // SAFETY: within the set.
    unsafe set.storeBytes(of: true, toByteOffset: Self.beginOffset, as: Bool.self)
  }

  /// Eight bits of a tag, of those that count in every match: not the low 12.
  @inline(__always) private func print(of tag: UInt64) -> UInt8 {
    // Multiplicative hashing, by 2^64 over the golden ratio (Knuth, The Art of Computer Programming 3, 6.4).
    UInt8(truncatingIfNeeded: ((tag &>> 12) &* 0x9e37_79b9_7f4a_7c15) &>> 56)
  }

  /// The value of the way with the tag, which is then the one used last; 0 if there is none.
  ///
  /// A tag matches if it is the same; or if it differs in the low 12 bits (the PCID) alone and the value says that those
  /// do not count (``TLBData/global``).
  @inline(__always) func search(_ number: UInt64, _ tag: UInt64) -> UInt64 {
    let set = unsafe set(of: number)
    let way = unsafe anyWay(in: set, tag)
    if way < 0 { return 0 }
    unsafe use(way, in: set)
    return unsafe entry(way, in: set).pointee.data
  }

  /// The way with a tag, -1 if there is none; most arrays have one group.
  @inline(__always) func anyWay(in set: UnsafeMutableRawPointer, _ tag: UInt64) -> Int {
    unsafe hasWord ? way(in: set, tag, group: 0) : way(in: set, tag)
  }

  /// The way with a tag, -1 if there is none.
  func way(in set: UnsafeMutableRawPointer, _ tag: UInt64) -> Int {
    let groups = unsafe place.pointee.groups
    var group = 0
    while group < groups {
      let way = unsafe way(in: set, tag, group: group)
      if way >= 0 { return way }
      group &+= 1
    }
    return -1
  }

  /// The same among the sixteen ways of a group.
  @inline(__always) private func way(in set: UnsafeMutableRawPointer, _ tag: UInt64, group: Int) -> Int {
    // SAFETY: a group of the set.
    let prints = unsafe set.load(fromByteOffset: group &* Self.lanes &+ Self.printsOffset, as: Prints.self)
    // SAFETY: a mask is 16 bytes.
    let matches = unsafe unsafeBitCast(prints .== Prints(repeating: print(of: tag)), to: SIMD2<UInt64>.self)
    // To ask for any at all takes few instructions, for which of them a dozen.
    if matches[0] | matches[1] == 0 { return -1 }
    var candidates = bits(of: matches)
    if unsafe group == place.pointee.groups &- 1 { candidates &= unsafe place.pointee.lastWays }
    while candidates != 0 {
      let way = group &* Self.lanes &+ candidates.trailingZeroBitCount
      if unsafe entry(way, in: set).pointee.matches(tag) { return way }
      candidates &= candidates &- 1
    }
    return -1
  }

  /// A bit for each of sixteen bytes that are all ones or all zeroes.
  @inline(__always) private func bits(of mask: SIMD2<UInt64>) -> UInt64 {
    // Of each byte a bit of its own, then all of them added up in the uppermost.
    let bytes = mask & SIMD2(repeating: 0x8040_2010_0804_0201)
    let low = (bytes[0] &* 0x0101_0101_0101_0101) &>> 56
    let high = (bytes[1] &* 0x0101_0101_0101_0101) &>> 56
    return low | high &<< 8
  }

  /// Gives a way an entry. If there are usages, the way's is none of it then.
  @inline(__always) func write(_ new: TLBEntry, _ way: Int, in set: UnsafeMutableRawPointer) {
    unsafe writeEntry(new, way, in: set)
    if hasUsages { unsafe usage(way, in: set).pointee = .none }
  }

  /// The same but for the usage, which the caller writes.
  @inline(__always) func writeEntry(_ new: TLBEntry, _ way: Int, in set: UnsafeMutableRawPointer) {
    unsafe entry(way, in: set).pointee = new
    // SAFETY: a way of the set.
    unsafe set.storeBytes(of: print(of: new.tag), toByteOffset: way &+ Self.printsOffset, as: UInt8.self)
  }

  /// Of all ways the one with this usage was used last: no other may be answered from.
  func makeOnly(_ usage: UnsafeMutablePointer<EntryUsage>) {
    if let before = unsafe place.pointee.only { unsafe before.pointee = .none }
    unsafe place.pointee.only = usage
  }
}
