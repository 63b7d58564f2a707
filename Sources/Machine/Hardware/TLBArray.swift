internal import Paging

/// One set-associative array of TLB entries: a view of the storage that its ``TLBLevel`` owns.
@safe struct TLBArray {
  private let first: UnsafeMutablePointer<TLBEntry>
  private let sets: UInt64
  private let ways: Int
  /// Number of sets less one if that number is a power of two, otherwise 0: a division costs more than all the rest.
  private let mask: UInt64

  init(first: UnsafeMutablePointer<TLBEntry>, sets: Int, ways: Int) {
    unsafe self.first = first
    self.sets = UInt64(sets)
    self.ways = ways
    mask = sets & (sets - 1) == 0 ? UInt64(sets - 1) : 0
  }

  /// The entries of the set of a page number, which counts in pages of the entry's own size.
  @inline(__always) private func set(_ number: UInt64) -> UnsafeMutablePointer<TLBEntry> {
    let index = mask != 0 || sets == 1 ? number & mask : number % sets
    // SAFETY: the index is below the number of sets.
    return unsafe first + Int(index) * ways
  }

  /// The latest entry of the set; of an array without ways, an entry that matches nothing by its size.
  @inline(__always) func latest(_ number: UInt64) -> TLBEntry {
    // SAFETY: the level's storage has at least one entry, and a set of an array with ways at least one.
    unsafe set(number)[0]
  }

  /// The data of the entry with the tag, made the latest of its set; 0 if there is none.
  @inline(__always) func search(_ number: UInt64, _ tag: UInt64) -> UInt64 {
    // SAFETY: all indices are below the number of ways.
    let set = unsafe set(number)
    for way in 0..<ways {
      let entry = unsafe set[way]
      guard entry.matches(tag) else { continue }
      unsafe shift(set, to: way)
      unsafe set[0] = entry
      return entry.data
    }
    return 0
  }

  /// Enters an entry as the latest: over one with the same tag, else in an empty way, else over the least recently used.
  func fill(_ number: UInt64, _ entry: TLBEntry) {
    guard ways > 0 else { return }
    // SAFETY: all indices are below the number of ways.
    let set = unsafe set(number)
    var victim = ways - 1
    var foundEmpty = false
    for way in 0..<ways {
      if unsafe set[way].tag == 0 {
        if !foundEmpty { victim = way }
        foundEmpty = true
      } else if unsafe set[way].matches(entry.tag) {
        victim = way
        break
      }
    }
    unsafe shift(set, to: victim)
    unsafe set[0] = entry
  }

  /// Drops the entries with the tag for which the condition holds.
  func remove(_ number: UInt64, _ tag: UInt64, where condition: (TLBEntry) -> Bool) {
    // SAFETY: all indices are below the number of ways.
    let set = unsafe set(number)
    for way in 0..<ways {
      let entry = unsafe set[way]
      if entry.tag != 0 && entry.matches(tag) && condition(entry) { unsafe set[way] = .empty }
    }
  }

  /// Moves the entries before a way one back, over that way's.
  @inline(__always) private func shift(_ set: UnsafeMutablePointer<TLBEntry>, to way: Int) {
    var index = way
    // SAFETY: `way` is below the number of ways.
    while index > 0 {
      unsafe set[index] = set[index - 1]
      index -= 1
    }
  }
}
