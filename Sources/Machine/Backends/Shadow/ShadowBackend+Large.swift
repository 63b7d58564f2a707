internal import Paging

/// Large pages of the guest's, in 4 KiB parts (splinters) or kept whole.
///
/// A large page is kept where machine memory behind it is in one piece and nobody watches a page inside. Otherwise the next
/// smaller size is tried, inside a splinter of the size.
extension ShadowBackend {
  /// Fills what stands for a large page, below the table that holds the guest's entry for it. `granted`: what the entry
  /// in that table's shadow grants.
  mutating func fillLarge(
    _ walk: GuestWalk, _ address: VirtualAddress, _ table: MPN, _ granted: EntryFlags, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) {
    fillParts(walk, address, table, walk.size.level, granted, &cpu, &machine)
  }

  /// Without paging: all memory is the inside of pages as large as there are, from the gigabyte's table on.
  mutating func fillUnpaged(
    _ walk: GuestWalk, _ address: VirtualAddress, _ table: MPN, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) {
    fillParts(walk, address, table, 2, [.present, .writable, .user, .accessed], &cpu, &machine)
  }

  private mutating func fillParts(
    _ walk: GuestWalk, _ address: VirtualAddress, _ table: MPN, _ top: Int, _ granted: EntryFlags,
    _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    var (frame, level, flags) = (table, top, granted)
    var first = PageSize(level: level).map { walk.page.first(of: $0) } ?? walk.page
    while let size = PageSize(level: level), size > .small, !keeps(first, size, &machine) {
      let key = ShadowPage.Key.splinter(first, level: level - 1, isGlobal: walk.leaf.isGlobal)
      let place = frame.entryAddress(address, level: level)
      frame = link(key, at: place, flags.union(ShadowMark.fracture), &cpu, &machine)
      // The rights are those of the entry above, so that all mappings of the memory share the table.
      flags = [.present, .writable, .user, .accessed]
      level -= 1
      first = PageSize(level: level).map { walk.page.first(of: $0) } ?? walk.page
    }
    if walk.leaf.isGlobal { flags.insert(.global) }
    setLeaf(first, flags.union(.dirty), at: frame.entryAddress(address, level: level), level: level, &machine)
  }

  /// Whether a shadow leaf of this size may stand for the memory from a page on.
  private borrowing func keeps(_ first: PPN, _ size: PageSize, _ machine: inout MachineState) -> Bool {
    guard design.keepsLarge, machine.guardedRange == nil else { return false }
    if size == .huge && !machine.description.hasHugePages { return false }
    return !machine.isDevice(PPN(first.raw + size.pages - 1)) && machine.isWhole(first, size)
      && !machine.traces.seesAny(in: first, size)
  }

  /// Notes that writable mappings of memory have gone, which a TLB may still have.
  mutating func noteLost(_ first: PPN, level: Int, _ machine: borrowing MachineState) {
    let clock = machine.flushClock + 1
    switch level {
    case 1: lostLeaves.set(first.raw, clock)
    case 2: lostLarge.set(first.raw >> 9, clock)
    default: for region in 0..<UInt64(512) { lostLarge.set(first.raw >> 9 + region, clock) }
    }
  }

  /// A page is watched from now on: no leaf may map more than it.
  mutating func breakLarge(around page: PPN, _ machine: inout MachineState) {
    for size in [PageSize.large, .huge] {
      let first = page.first(of: size)
      for place in size == .large ? largeMap.mappings(of: first) : hugeMap.mappings(of: first) {
        drop(place, level: size.level, &machine)
        machine.counters.shadowLargeBroken += 1
      }
    }
  }

  /// A page is watched no longer: splinters of the large pages around it go, so that the next fault may fill them whole.
  mutating func rejoin(around page: PPN, _ machine: inout MachineState) {
    guard design.keepsLarge else { return }
    for size in [PageSize.large, .huge] {
      let first = page.first(of: size)
      if machine.traces.seesAny(in: first, size) { continue }
      for isGlobal in [false, true] {
        guard let frame = frames[.splinter(first, level: size.level - 1, isGlobal: isGlobal)] else { continue }
        let isUsed = path.contains(frame) || isRoot(.splinter(first, level: size.level - 1, isGlobal: isGlobal))
        if !isUsed { retire(frame, &machine) }
      }
    }
  }
}
