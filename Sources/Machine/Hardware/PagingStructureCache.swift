internal import Glibc
internal import Paging

/// The paging-structure cache for entries of one level (SDM 3A 4.10.3): fully associative, exact LRU.
///
/// An entry holds the table that a paging-structure entry points to, and the rights that the walk had accumulated there.
/// It is never global. Under nested paging the table is a machine page: a combined mapping (SDM 3C 29.4.1). `Space` is what
/// the entries translate: virtual addresses, or in the caches of the nested table physical ones.
///
/// Walks go from table to table, so the entry used last is seldom the next. A hint for each of the prefixes, by their low
/// bits, says which way was found for it: a tag is compared, and nothing need be searched.
@safe struct PagingStructureCache<Space>: ~Copyable {
  /// Level of the entries it holds: 2 = PDE … 5 = PML5E.
  let level: Int
  /// The lowest of the linear-address bits that index this level.
  private let shift: UInt64
  private let array: RecencyArray
  private let hints: UnsafeMutablePointer<Int>
  private static var hintCount: Int { 128 }

  /// Without capacity it never has anything.
  init(level: Int, capacity: Int) {
    self.level = level
    shift = UInt64(3 + 9 * level)
    // Way 0, as good a guess as any; behind them a clock.
    unsafe hints = zeroed(Self.hintCount + 1)
    // SAFETY: a word of that storage.
    let clock = unsafe UseClock(UnsafeMutableRawPointer(hints + Self.hintCount).assumingMemoryBound(to: UInt64.self))
    array = RecencyArray(sets: 1, ways: capacity, clock: clock)
  }

  deinit {
    array.free()
    // SAFETY: made in `init`; freed once.
    unsafe free(hints)
  }

  /// Bit 0 set, 1…4 the rights, 5 the table is read-only, 12…51 its address.
  private static func value(_ table: MPN, _ rights: Rights, _ isWritable: Bool) -> UInt64 {
    table.raw << 12 | (isWritable ? 0 : 1 << 5) | UInt64(rights.raw) << 1 | 1
  }

  /// Linear-address bits 56 up to those that index this level, one more so that no tag is 0, then the context.
  private func tag(_ address: Address<Space>, context: UInt64) -> UInt64 {
    (((address.raw & 0x1ff_ffff_ffff_ffff) &>> shift) &<< 1 | 1) &<< 17 | context
  }

  /// Where the walk of an address may begin; the entry becomes the latest.
  @inline(__always) func lookUp(_ address: Address<Space>, context: UInt64) -> WalkStart? {
    let value = value(tag(address, context: context))
    if value == 0 { return nil }
    return WalkStart(
      level: level &- 1, table: MPN(value &>> 12), rights: Rights(raw: UInt8(truncatingIfNeeded: value &>> 1 & 15)),
      isWritable: value &>> 5 & 1 == 0)
  }

  /// The value with a tag, 0 if there is none; its entry becomes the latest.
  @inline(__always) func value(_ tag: UInt64) -> UInt64 {
    // The prefix begins at bit 18.
    let index = Int(truncatingIfNeeded: tag &>> 18) & (Self.hintCount - 1)
    let set = unsafe array.base
    // SAFETY: below the number of hints, each of which is a way.
    var way = unsafe hints[index]
    if unsafe array.entry(way, in: set).pointee.tag != tag {
      way = unsafe array.way(in: set, tag)
      if way < 0 { return 0 }
      unsafe hints[index] = way
    }
    unsafe array.use(way, in: set)
    return unsafe array.entry(way, in: set).pointee.data
  }

  func fill(_ address: Address<Space>, context: UInt64, table: MPN, rights: Rights, isWritable: Bool = true) {
    array.replace(0, tag(address, context: context), Self.value(table, rights, isWritable))
  }

  /// Drops what one address would use.
  func remove(_ address: Address<Space>, context: UInt64) {
    let tag = tag(address, context: context)
    array.removeAll { $0.tag == tag }
  }

  /// Drops what one address would use in the contexts for which the condition holds.
  func remove(_ address: Address<Space>, where condition: (UInt64) -> Bool) {
    let tag = tag(address, context: 0)
    array.removeAll { $0.tag & ~TLBEntry.contextMask == tag && condition($0.context) }
  }

  /// Drops everything of the contexts for which the condition holds.
  func removeAll(where condition: (UInt64) -> Bool) {
    array.removeAll { condition($0.context) }
  }

  /// Drops the entries that lead to a table.
  func removeTable(_ table: MPN) {
    array.removeAll { $0.data >> 12 == table.raw }
  }
}
