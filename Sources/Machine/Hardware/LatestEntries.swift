internal import Glibc
internal import Paging

/// The translations that a TLB level gives without changing: of each set of its arrays, the entry used last.
///
/// An access that finds its page here need not be looked up: the entry is the latest of its set already, so that a hit
/// changes a count and nothing else. Whoever makes another entry the latest of a set enters it here, and whoever drops or
/// changes entries takes out those of their sets. All go when another context runs, since pages alone are compared, all
/// 52 bits of their numbers: an address that is not canonical is nobody's.
///
/// An array has a slot for each of its sets, which page sizes share as they share the array; arrays whose number of sets is
/// no power of two, or a large one, have none. Copies share the storage, which whoever made the first must `free` once.
@safe struct LatestEntries {
  /// A word for each slot, see ``View``, then as many entries' data.
  private let storage: UnsafeMutablePointer<UInt64>
  private let count: Int
  /// What the loop asks.
  let view: View
  private let huge: Slots

  /// The slots for one page size.
  @safe fileprivate struct Slots {
    let first: UnsafeMutablePointer<UInt64>
    /// Number of sets less one.
    let mask: UInt64

    @inline(__always) func slot(_ number: UInt64) -> UnsafeMutablePointer<UInt64> {
      // SAFETY: below the number of sets.
      unsafe first + Int(truncatingIfNeeded: number & mask)
    }
  }

  /// The words of the slots for small and for large pages; huge ones are rare.
  ///
  /// A word has a page's number from bit 9 on, in units of its size, the size in bits 7 and 8, and the accesses that the
  /// entry refuses in bits 6…0; 0 is an empty slot. So one exclusive or compares all.
  struct View {
    fileprivate let small: Slots
    fileprivate let large: Slots

    /// Negative if there is an entry for a page that is the latest of its set and allows the access with a code, as the
    /// top bit of a difference that borrows: small and large pages take turns as no branch predictor could guess.
    @inline(__always) func find(_ page: UInt64, _ code: UInt64) -> UInt64 {
      let counts = 1 &<< code | ~TLBData.allowed
      let small = unsafe (small.slot(page).pointee ^ word(page, .small)) & counts
      let large = unsafe (large.slot(page &>> 9).pointee ^ word(page &>> 9, .large)) & counts
      return (small &- 1) | (large &- 1)
    }
  }

  /// Sets that an array may have at most to be kept: a flush goes over all.
  private static var limit: Int { 256 }

  init(_ arrays: [TLBGeometry]) {
    let kept = arrays.filter { $0.ways > 0 && $0.sets <= Self.limit && $0.sets & ($0.sets - 1) == 0 }
    // The first slot is for the sizes that have none, and never filled.
    let count = kept.reduce(1) { $0 + $1.sets }
    let storage: UnsafeMutablePointer<UInt64> = unsafe zeroed(2 * count)
    let none = unsafe Slots(first: storage, mask: 0)
    var bySize: [PageSize: Slots] = [:]
    var next = 1
    for array in kept {
      // SAFETY: the arrays' slots lie one behind the other.
      let slots = unsafe Slots(first: storage + next, mask: UInt64(array.sets - 1))
      for size in array.pageSizes { bySize[size] = slots }
      next += array.sets
    }
    self.count = count
    unsafe self.storage = storage
    view = View(small: bySize[.small] ?? none, large: bySize[.large] ?? none)
    huge = bySize[.huge] ?? none
  }

  func free() {
    // SAFETY: made in `init`; called once.
    unsafe Glibc.free(storage)
  }
}

extension LatestEntries {
  /// A view that has nothing, whatever is entered.
  var nothing: View {
    // SAFETY: the slot that is never filled.
    let none = unsafe Slots(first: storage, mask: 0)
    return View(small: none, large: none)
  }

  @inline(__always) private func slots(_ size: PageSize) -> Slots {
    switch size {
    case .small: view.small
    case .large: view.large
    case .huge: huge
    }
  }

  /// The data of the entry for a page that is the latest of its set, 0 if there is none.
  @inline(__always) func lookUp(_ page: UInt64) -> UInt64 {
    let small = data(page, .small)
    return small != 0 ? small : data(page &>> 9, .large)
  }

  @inline(__always) private func data(_ number: UInt64, _ size: PageSize) -> UInt64 {
    let slot = unsafe slots(size).slot(number)
    // SAFETY: the slot's data lies `count` words further on.
    return unsafe (slot.pointee ^ word(number, size)) <= TLBData.allowed ? slot[count] : 0
  }

  /// The entry of a page of a size, by its number in units of that size, has become the latest of its set.
  @inline(__always) func note(_ number: UInt64, _ size: PageSize, _ data: UInt64) {
    let slots = slots(size)
    if unsafe slots.first == storage { return }
    let slot = unsafe slots.slot(number)
    // SAFETY: as above.
    unsafe slot.pointee = word(number, size) | ~data & TLBData.allowed
    unsafe slot[count] = data
  }

  /// Entries of the sets that a page has, if it is of these sizes, are dropped or changed.
  func forget(_ page: UInt64) {
    // SAFETY: slots of the storage.
    unsafe view.small.slot(page).pointee = 0
    unsafe view.large.slot(page &>> 9).pointee = 0
    unsafe huge.slot(page &>> 18).pointee = 0
  }

  func forgetAll() {
    // SAFETY: the words of all slots.
    unsafe storage.update(repeating: 0, count: count)
  }
}

/// The word of a page's slot but for what is refused.
@inline(__always) private func word(_ number: UInt64, _ size: PageSize) -> UInt64 {
  number &<< 9 | UInt64(size.rawValue) &<< 7
}
