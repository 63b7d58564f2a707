internal import Glibc
internal import Paging

/// A set-associative array with exact LRU: the primitive of the TLBs, of the paging-structure caches and of the caches
/// that the walker's references meet.
///
/// Each way has a tag (0: empty), a value, and a stamp: the time of its last use (0: never) above 16 bits of its own
/// number. So the least stamp of a set names the victim, an empty way before any other, and finding it takes no branch
/// that a processor could guess wrong. The way used last is noted for each set: the commonest hit is one comparison.
/// Copies share the storage, which whoever made the first must `free` once.
@safe struct RecencyArray {
  private let tags: UnsafeMutablePointer<UInt64>
  private let values: UnsafeMutablePointer<UInt64>
  private let stamps: UnsafeMutablePointer<UInt64>
  /// The way used last, by set, and behind them the array's clock.
  private let latestWays: UnsafeMutablePointer<Int>
  let sets: Int
  let ways: Int
  /// Number of sets less one if that number is a power of two, otherwise 0: a division costs more than all the rest.
  private let mask: UInt64

  /// Empty. With 0 ways it never holds anything; 65,536 are the most.
  init(sets: Int, ways: Int) {
    // SAFETY: one word more than there are ways, so that an array without ways can be asked as any other.
    unsafe tags = zeroed(sets * ways + 1)
    unsafe values = zeroed(sets * ways + 1)
    unsafe stamps = zeroed(sets * ways + 1)
    unsafe latestWays = zeroed(sets + 1)
    self.sets = sets
    self.ways = ways
    mask = sets & (sets - 1) == 0 ? UInt64(sets - 1) : 0
    removeAll()
  }

  func free() {
    // SAFETY: made in `init`; called once.
    unsafe Glibc.free(tags)
    unsafe Glibc.free(values)
    unsafe Glibc.free(stamps)
    unsafe Glibc.free(latestWays)
  }

  @inline(__always) private func set(of number: UInt64) -> Int {
    Int(truncatingIfNeeded: mask != 0 || sets == 1 ? number & mask : number % UInt64(sets))
  }

  /// The value of the way that a number's set used last if it has just this tag, else 0.
  @inline(__always) func latest(_ number: UInt64, _ tag: UInt64) -> UInt64 {
    let set = set(of: number)
    // SAFETY: a way that `use` has noted, or 0.
    let place = unsafe set &* ways &+ latestWays[set]
    return unsafe tags[place] == tag ? values[place] : 0
  }

  /// The value of the way with the tag, which is then the one used last; 0 if there is none.
  ///
  /// A tag matches if it is the same; or if it differs in the low 12 bits (the PCID) alone and the value says that those
  /// do not count (``TLBData/global``).
  @inline(__always) func search(_ number: UInt64, _ tag: UInt64) -> UInt64 {
    let set = set(of: number)
    let first = set &* ways
    var way = 0
    // SAFETY: the way is below the number of ways.
    while way < ways {
      let found = unsafe tags[first &+ way]
      if found ^ tag <= TLBEntry.pcidMask {
        let value = unsafe values[first &+ way]
        if found == tag || value & TLBData.global != 0 {
          use(set, way)
          return value
        }
      }
      way &+= 1
    }
    return 0
  }

  /// Enters a tag that the array does not have; the least recently used of its set goes.
  @inline(__always) func insert(_ number: UInt64, _ tag: UInt64, _ value: UInt64) {
    guard ways > 0 else { return }
    let set = set(of: number)
    let first = set &* ways
    // SAFETY: all ways are below the number of ways.
    var oldest = unsafe stamps[first]
    var way = 1
    while way < ways {
      oldest = unsafe min(oldest, stamps[first &+ way])
      way &+= 1
    }
    let victim = Int(truncatingIfNeeded: oldest & 0xffff)
    unsafe tags[first &+ victim] = tag
    unsafe values[first &+ victim] = value
    use(set, victim)
  }

  /// Enters a tag, over one that matches it if there is one.
  func replace(_ number: UInt64, _ tag: UInt64, _ value: UInt64) {
    guard search(number, tag) != 0 else { return insert(number, tag, value) }
    let set = set(of: number)
    // SAFETY: the way that the search has just found.
    let place = unsafe set &* ways &+ latestWays[set]
    unsafe tags[place] = tag
    unsafe values[place] = value
  }

  @inline(__always) private func use(_ set: Int, _ way: Int) {
    // SAFETY: a set and a way of the array; the clock lies behind the sets' words.
    unsafe latestWays[set] = way
    unsafe latestWays[sets] &+= 1
    unsafe stamps[set &* ways &+ way] = UInt64(truncatingIfNeeded: latestWays[sets] &<< 16 | way)
  }

  /// Drops the ways of a number's set for which the condition holds.
  @inline(__always) func remove(_ number: UInt64, where condition: (TLBEntry) -> Bool) {
    let first = set(of: number) &* ways
    removeWays(first, first &+ ways, where: condition)
  }

  /// Drops all ways for which the condition holds.
  @inline(__always) func removeAll(where condition: (TLBEntry) -> Bool) {
    removeWays(0, sets &* ways, where: condition)
  }

  @inline(__always) private func removeWays(_ start: Int, _ end: Int, where condition: (TLBEntry) -> Bool) {
    var place = start
    // SAFETY: the places are those of ways.
    while place < end {
      let entry = unsafe TLBEntry(tag: tags[place], data: values[place])
      if entry.tag != 0 && condition(entry) {
        unsafe tags[place] = 0
        unsafe values[place] = 0
        unsafe stamps[place] &= 0xffff
      }
      place &+= 1
    }
  }

  /// Drops everything.
  func removeAll() {
    // SAFETY: the storages have this many words.
    unsafe tags.update(repeating: 0, count: sets * ways)
    unsafe values.update(repeating: 0, count: sets * ways)
    for place in 0..<sets * ways { unsafe stamps[place] = UInt64(place % ways) }
  }

  /// Replaces the value of every way that is not empty.
  func mapValues(_ transform: (UInt64) -> UInt64) {
    // SAFETY: the places are those of ways.
    for place in 0..<sets * ways where unsafe tags[place] != 0 { unsafe values[place] = transform(values[place]) }
  }

  /// What the array holds, set by set.
  var entries: [TLBEntry] {
    // SAFETY: the places are those of ways.
    (0..<sets * ways).map { unsafe TLBEntry(tag: tags[$0], data: values[$0]) }.filter { $0.tag != 0 }
  }
}
