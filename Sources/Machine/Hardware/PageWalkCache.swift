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
    // 49 bits, two for the kind, 12 for the PCID.
    (place.raw >> 3) << 14 | kind | pcid
  }

  /// The guest's entry at a place, 0 if it is not known.
  func guestEntry(at place: MachineAddress, context: UInt64) -> UInt64 {
    array.search(0, tag(place, Self.guest, context & TLBEntry.pcidMask))
  }

  /// The nested entry at a place, 0 if it is not known.
  func nestedEntry(at place: MachineAddress) -> UInt64 { array.search(0, tag(place, Self.nested, 0)) }

  /// What is held of an entry: a walk that goes on from it sets A, one that does not drops it. Bit 11 means nothing to the
  /// processor, but something to ``RecencyArray``.
  static func held(_ entry: UInt64) -> UInt64 {
    (entry | EntryFlags.accessed.rawValue) & ~TLBData.global
  }

  func fillGuest(_ entry: UInt64, at place: MachineAddress, context: UInt64) {
    array.insert(0, tag(place, Self.guest, context & TLBEntry.pcidMask), Self.held(entry))
  }

  func fillNested(_ entry: UInt64, at place: MachineAddress) {
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
      return entry.tag & Self.guest != 0 && (entry.tag >> 23 == frame.raw || target == frame.raw || target == page.raw)
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
    if level > 1 {
      let held = cpu.pageWalks.guestEntry(at: place, context: cpu.context)
      if held != 0 {
        noteAnswer(held, at: place, level: level, .guest, cpu.pageWalks.cycles)
        return (held, held != PageWalkCache.held(memory.read(place)))
      }
    }
    let raw = readEntry(at: place, level: level, .guest)
    let entry = PageTableEntry<MachineSpace>(raw)
    if entry.isPresent && !entry.isLeaf(level: level) {
      cpu.pageWalks.fillGuest(raw, at: place, context: cpu.context)
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

  /// The walk of ``walk(_:_:_:)`` on a machine with a page-walk cache: what it read is noted as it goes, since memory may
  /// say otherwise by now.
  @inline(never) mutating func walkByEntries(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU
  ) -> WalkOutcome {
    let controls = cpu.hardwareControls
    let code = PageFaultCode(access, under: controls)
    var (level, table, rights, isStale) = (controls.levels, cpu.root, Rights.all, false)
    var path = WalkPath(top: level)
    while true {
      let place = table.entryAddress(address, level: level)
      let (raw, entryIsStale) = entry(at: place, level: level, &cpu)
      let entry = PageTableEntry<MachineSpace>(raw)
      isStale = isStale || entryIsStale
      guard entry.isPresent else { return .fault(HardwareFault(address: address, access: access, code: code)) }
      guard entry.reservedBits(level: level, under: controls) == 0 else {
        return .fault(HardwareFault(address: address, access: access, code: code.union([.present, .reserved])))
      }
      rights = rights.combined(with: Rights(entry))
      path.append(level, place, entry, rights)
      if entry.isLeaf(level: level) { break }
      table = entry.frame
      level -= 1
    }
    guard rights.permits(access, under: controls) else {
      return .fault(
        HardwareFault(
          address: address, access: access, code: code.union(.present), reliesOnCachedRights: isStale))
    }
    let leaf = path.complete(access, memory: &memory)
    guard let size = PageSize(level: level) else { preconditionFailure("a leaf at level \(level)") }
    return .translated(
      Translation(
        frame: leaf.frame(of: size), size: size, guestSize: size, rights: rights, isDirty: leaf.isDirty,
        isGlobal: leaf.isGlobal && controls.hasGlobalPages))
  }
}
