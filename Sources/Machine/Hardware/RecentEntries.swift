internal import Glibc
internal import Paging

/// When an entry of the first TLB level was used last, and what lets the loop answer from it.
struct EntryUsage: BitwiseCopyable {
  /// By the CPU's clock, ``RecentEntries/time``: all there is of the order of use in a set.
  var time: UInt64
  /// The address of a page of the entry's, and in the low bits the accesses that are allowed (``Access/bit``).
  var key: UInt64
  /// The bits of the key that tell pages of the entry's size apart, and the low twelve.
  var mask: UInt64
  /// The entry's data.
  var data: UInt64

  /// Answers nothing: no access is allowed, and the address is not canonical.
  static var none: EntryUsage { EntryUsage(time: 0, key: 1 &<< 63, mask: .max, data: 0) }

  /// Whether the entry is another page's, or does not allow the access whose bit, and all from the twelfth on, is `wanted`.
  @inline(__always) func refuses(_ address: UInt64, _ wanted: UInt64) -> Bool {
    (key ^ (address | 0xfff)) & mask & wanted != 0
  }
}

/// Where in the first TLB level of a CPU the entries used lately are: what lets the loop pass hits without a look-up.
///
/// A hit changes counts and the order of use. That order is kept as times, so that a hit is a store, wherever in its set
/// the entry lies. A slot for the low bits of a page's number leads to the usage of the entry that translated it last; large
/// pages have one for their own number too, for they are found from many. Slots are guesses: the usage says which page
/// the entry is for, and whoever drops or replaces an entry changes that. All are emptied when another context runs, since
/// pages alone are compared, but all 52 bits of their numbers: an address that is not canonical is nobody's.
///
/// There is a table of slots for data, one for fetches, and one that stays empty for what the loop may not let pass.
@safe struct RecentEntries: ~Copyable {
  private let storage: UnsafeMutableRawPointer
  let data: Table
  let fetches: Table
  let nothing: Table

  init() {
    let bytes: UnsafeMutablePointer<UInt8> = unsafe zeroed(64 + 3 * Table.stride)
    unsafe storage = UnsafeMutableRawPointer(bytes)
    // SAFETY: the tables lie one behind the other, behind the clock.
    unsafe data = Table(storage + 64, clock: storage)
    unsafe fetches = Table(storage + 64 + Table.stride, clock: storage)
    unsafe nothing = Table(storage + 64 + 2 * Table.stride, clock: storage)
  }

  deinit {
    // SAFETY: made in `init`; freed once.
    unsafe free(storage)
  }

  /// The uses that there were of any entry.
  @inline(__always) var time: UInt64 {
    get { data.clock.time }
    nonmutating set { data.clock.time = newValue }
  }

  /// The table of an access, by ``Access/code``. `seesAll`: the loop may let nothing pass.
  func table(_ code: Int, allowed: UInt64, seesAll: Bool) -> Table {
    if seesAll || allowed >> UInt64(code) & 1 == 0 { return nothing }
    return code & 3 == 2 ? fetches : data
  }
}

extension RecentEntries {
  /// The slots of one stream.
  @safe struct Table {
    /// By access, what ``EntryUsage/refuses(_:_:)`` wants; then the slots of pages, the slots of large pages, a usage that
    /// refuses all, one that belongs to no array's entry, and which clock it is.
    private let base: UnsafeMutableRawPointer

    private static var slots: Int { 256 }
    private static var largeSlots: Int { 64 }
    private static var slotsOffset: Int { 64 }
    private static var noneOffset: Int { slotsOffset + 8 * (slots + largeSlots) }
    private static var loneOffset: Int { noneOffset + 32 }
    private static var clockOffset: Int { loneOffset + 32 }
    fileprivate static var stride: Int { clockOffset + 64 }

    fileprivate init(_ base: UnsafeMutableRawPointer, clock: UnsafeMutableRawPointer) {
      unsafe self.base = base
      // SAFETY: a word of the storage.
      let clock = unsafe UseClock(clock.assumingMemoryBound(to: UInt64.self))
      unsafe base.storeBytes(of: clock, toByteOffset: Self.clockOffset, as: UseClock.self)
      for code in 0..<8 {
        unsafe base.storeBytes(of: ~0xfff | 1 << UInt64(code), toByteOffset: 8 * code, as: UInt64.self)
      }
      unsafe none.pointee = .none
      unsafe lone.pointee = .none
      forgetAll()
    }

    /// The clock of the CPU, for whoever takes one of its uses.
    var clock: UseClock { unsafe base.load(fromByteOffset: Self.clockOffset, as: UseClock.self) }

    private var none: UnsafeMutablePointer<EntryUsage> {
      // SAFETY: within the table, as all that follow.
      unsafe (base + Self.noneOffset).assumingMemoryBound(to: EntryUsage.self)
    }

    private var lone: UnsafeMutablePointer<EntryUsage> {
      unsafe (base + Self.loneOffset).assumingMemoryBound(to: EntryUsage.self)
    }

    @inline(__always) private func slot(_ page: UInt64) -> UnsafeMutablePointer<UnsafeMutablePointer<EntryUsage>> {
      // SAFETY: below the number of slots.
      unsafe (base + Self.slotsOffset).assumingMemoryBound(to: UnsafeMutablePointer<EntryUsage>.self)
        + Int(truncatingIfNeeded: page) & (Self.slots &- 1)
    }

    @inline(__always) private func largeSlot(_ page: UInt64) -> UnsafeMutablePointer<UnsafeMutablePointer<EntryUsage>> {
      unsafe (base + (Self.slotsOffset + 8 * Self.slots))
        .assumingMemoryBound(to: UnsafeMutablePointer<EntryUsage>.self)
        + Int(truncatingIfNeeded: page &>> 9) & (Self.largeSlots &- 1)
    }

    /// Whether a slot leads to an entry that allows an access; it is then used at this time.
    ///
    /// The slot of the page almost always does, so that the branch is foreseen, and large and small pages are the same.
    @inline(__always) func passes(_ address: UInt64, _ code: Int, at time: UInt64) -> Bool {
      // SAFETY: a code is below 8; slots lead to usages, of this table or of ways of arrays that live as long.
      let wanted = unsafe base.load(fromByteOffset: 8 &* code, as: UInt64.self)
      let slot = unsafe slot(address &>> 12)
      if unsafe slot.pointee.pointee.refuses(address, wanted) {
        guard let large = unsafe large(address), unsafe !large.pointee.refuses(address, wanted) else { return false }
        unsafe slot.pointee = large
      }
      unsafe slot.pointee.pointee.time = time
      return true
    }

    /// What the second slot leads to where the first leads to another page's entry.
    @inline(__always) private func large(_ address: UInt64) -> UnsafeMutablePointer<EntryUsage>? {
      guard unsafe slot(address &>> 12).pointee.pointee.refuses(address, ~0xfff) else { return nil }
      let usage = unsafe largeSlot(address &>> 12).pointee
      return unsafe usage.pointee.refuses(address, ~0xfff) ? nil : usage
    }

    /// The data of the entry that a slot leads to for a page, whatever it allows; it is then used. Else 0.
    @inline(__always) func lookUp(_ page: UInt64) -> UInt64 {
      let slot = unsafe slot(page)
      if unsafe slot.pointee.pointee.refuses(page &<< 12, ~0xfff) {
        guard let large = unsafe large(page &<< 12) else { return 0 }
        unsafe slot.pointee = large
      }
      unsafe slot.pointee.pointee.time = clock.tick()
      return unsafe slot.pointee.pointee.data
    }

    /// The entry that has this usage has translated a page of a size.
    @inline(__always)
    func note(_ usage: UnsafeMutablePointer<EntryUsage>, _ page: UInt64, _ size: PageSize, _ data: UInt64) {
      unsafe usage.pointee.key = page &<< 12 | data & TLBData.allowed
      unsafe usage.pointee.mask = ~(((1 &<< size.pageShift) &- 1) &<< 12)
      unsafe usage.pointee.data = data
      unsafe slot(page).pointee = usage
      if size != .small { unsafe largeSlot(page).pointee = usage }
    }

    /// What is no array's entry translates a small page, until something is forgotten.
    func noteLone(_ page: UInt64, _ data: UInt64) { unsafe note(lone, page, .small, data) }

    func forgetLone() { unsafe lone.pointee = .none }

    func forgetAll() {
      unsafe slot(0).update(repeating: none, count: Self.slots + Self.largeSlots)
      forgetLone()
    }
  }
}
