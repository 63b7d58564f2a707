internal import Paging

/// A page-table cache tagged by the machine address of the entry itself, as AMD's processors have it (Bhargava et al.,
/// ASPLOS 2008, section 3.1 and table 2): fully associative, exact LRU, one for entries of all levels and both dimensions.
///
/// It spares a reference, never a level: the walk still goes through every table. It holds what the walker has read, so an
/// entry may be out of date until the guest flushes, as a paging-structure cache's may; a leaf of the guest's is not held,
/// whose D bit changes without a flush. It has no addresses by which to drop one translation: INVLPG, INVPCID, a
/// CR3 load that flushes and a page fault empty it. PCIDs are told apart.
struct PageWalkCache: ~Copyable {
  /// Nested entries are known by no PCID; guest entries are the others.
  fileprivate static var nested: UInt64 { 1 << 13 }
  private static var guest: UInt64 { 1 << 12 }

  let array: RecencyArray
  /// Cycles of an answer.
  let cycles: UInt64
  /// There is one.
  let isPresent: Bool
  /// Nested entries are in it too.
  let holdsNested: Bool

  init(_ geometry: PageWalkCacheGeometry?, holdsNested: Bool) {
    array = RecencyArray(sets: 1, ways: geometry?.entries ?? 0)
    cycles = geometry?.cycles ?? 0
    isPresent = geometry != nil
    self.holdsNested = geometry != nil && holdsNested
  }

  deinit { array.free() }

  private func tag(_ place: MachineAddress, _ kind: UInt64, _ pcid: UInt64) -> UInt64 {
    // One bit for which half of the word an entry of 4 bytes is, 49, two for the kind, 12 for the PCID.
    (place.raw & 4) << 61 | (place.raw >> 3) << 14 | kind | pcid
  }

  /// The guest's entry at a place, 0 if it is not known.
  func guestEntry(at place: MachineAddress, context: UInt64) -> UInt64 {
    array.search(0, tag(place, Self.guest, context & TLBEntry.pcidMask))
  }

  /// The nested entry at a place, 0 if it is not known.
  func nestedEntry(at place: MachineAddress) -> UInt64 { array.search(0, tag(place, Self.nested, 0)) }

  /// What is held of an entry: a walk that goes on from it sets A, one that does not drops it. Bit 11 means nothing to the
  /// processor, but something to ``RecencyArray``.
  /// `hasAccessed`: false for a pointer of PAE paging, in which that bit is reserved.
  static func held(_ entry: UInt64, hasAccessed: Bool) -> UInt64 {
    (hasAccessed ? entry | EntryFlags.accessed.rawValue : entry) & ~TLBData.global
  }

  /// `entry`: as ``held(_:hasAccessed:)`` gives it.
  func fillGuest(_ entry: UInt64, at place: MachineAddress, context: UInt64) {
    guard isPresent else { return }
    array.insert(0, tag(place, Self.guest, context & TLBEntry.pcidMask), entry)
  }

  func fillNested(_ entry: UInt64, at place: MachineAddress) {
    guard isPresent else { return }
    array.insert(0, tag(place, Self.nested, 0), entry & ~TLBData.global)
  }

  func removeAll() {
    if isPresent { array.removeAll() }
  }

  /// Drops the guest's entries that lie in a table, or lead to it by either of its numbers.
  func removeTable(_ frame: MPN, _ page: PPN) {
    guard isPresent else { return }
    array.removeAll { entry in
      let target = PageTableEntry<MachineSpace>(entry.data).frame.raw
      return entry.tag & Self.guest != 0
        && (entry.tag >> 23 & 0xff_ffff_ffff == frame.raw || target == frame.raw || target == page.raw)
    }
  }
}

extension RecencyArray {
  /// Drops the nested entries of a page-walk cache.
  func removeNestedEntries() {
    removeAll { $0.tag & PageWalkCache.nested != 0 }
  }
}

extension MachineState {
  /// An entry of tables that the page-walk cache may know. `isStale`: the cache answered, and memory says otherwise.
  mutating func entry(
    at place: MachineAddress, level: Int, _ cpu: inout VirtualCPU
  ) -> (raw: UInt64, isStale: Bool) {
    let isNarrow = cpu.hardwareControls.hasNarrowEntries
    let hasAccessed = level < 3 || cpu.hardwareControls.levels != 3
    if level > 1 && cpu.pageWalks.isPresent {
      let held = cpu.pageWalks.guestEntry(at: place, context: cpu.context)
      if held != 0 {
        noteAnswer(held, at: place, level: level, .guest, cpu.pageWalks.cycles)
        let now = isNarrow ? memory.readNarrow(place) : memory.read(place)
        return (held, held != PageWalkCache.held(now, hasAccessed: hasAccessed))
      }
    }
    let raw = isNarrow ? readNarrowEntry(at: place, level: level) : readEntry(at: place, level: level, .guest)
    let entry = PageTableEntry<MachineSpace>(raw)
    if cpu.pageWalks.isPresent && entry.isPresent && !entry.isLeaf(level: level) {
      let held = PageWalkCache.held(raw, hasAccessed: hasAccessed)
      cpu.pageWalks.fillGuest(held, at: place, context: cpu.context)
    }
    return (raw, false)
  }

  /// The nested entry at a place; only what is present is held.
  mutating func nestedEntry(at place: MachineAddress, level: Int, _ cpu: inout VirtualCPU) -> UInt64 {
    let held = cpu.pageWalks.nestedEntry(at: place)
    if held != 0 {
      noteAnswer(held, at: place, level: level, .nested, cpu.pageWalks.cycles)
      return held
    }
    let raw = readNestedEntry(at: place, level: level)
    // Not present in EPT's terms, and in NPT's.
    if raw & 7 != 0 { cpu.pageWalks.fillNested(raw, at: place) }
    return raw
  }

  private mutating func noteAnswer(
    _ entry: UInt64, at place: MachineAddress, level: Int, _ dimension: WalkDimension, _ cycles: UInt64
  ) {
    switch dimension {
    case .guest:
      counters.structureCacheHits += 1
      counters.cycles.walk += cycles
    case .nested:
      counters.nestedStructureCacheHits += 1
      counters.cycles.nestedWalk += cycles
    }
    notes?.answer(dimension, level, place, entry)
  }
}
