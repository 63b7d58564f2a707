internal import Paging

/// What entries of tables may be, what they hold, and how they change (semantics of Xen's `get_page_from_l1e` and
/// `mod_l1_entry` to `mod_l4_entry`).
extension FrameTable {
  /// Bits that an entry of a level may have: P, RW, US, A, D, 9…11, 52…62 and NX; at level 1 also PWT, PCD, PAT and G,
  /// since the domain has I/O rights.
  private static func allowedFlags(level: Int) -> UInt64 {
    0xfff0_0000_0000_0e67 | (level == 1 ? 0x198 : 0)
  }

  private static let frameMask: UInt64 = 0xf_ffff_ffff_f000

  private func hasGoodFlags(_ entry: PageTableEntry<MachineSpace>, level: Int) -> Bool {
    entry.raw & ~(Self.allowedFlags(level: level) | Self.frameMask) == 0
  }

  /// Checks an entry and takes the references that it stands for. `pages`: whose frames it may name.
  mutating func getEntry(
    _ entry: PageTableEntry<MachineSpace>, level: Int, pages: DomainID, for domain: DomainID,
    _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    guard entry.isPresent else { return }
    guard hasGoodFlags(entry, level: level) else { throw .invalid }
    if level > 1 {
      return try get(entry.frame, as: Frame.Kind(level: level - 1), for: domain, &cpu, &machine)
    }
    if isDevice(entry.frame, machine) || !machine.physmap.isMemory(entry.frame) {
      if entry.frame.raw == Self.frameMask >> 12 { throw .invalid }
      // A domain has the right to all of its own devices, and to no other's.
      guard deviceOwner(of: entry.frame, machine) == domain else { throw .notPermitted }
      return
    }
    guard isOwned(entry.frame, by: pages, machine), self[entry.frame].totalCount < .max else { throw .busy }
    if entry.isWritable {
      do throws(XenError) {
        try get(entry.frame, as: .writable, for: pages, &cpu, &machine)
      } catch {
        throw .busy
      }
    } else {
      hold(entry.frame)
    }
  }

  /// Gives back the references of an entry of a validated table.
  mutating func putEntry(
    _ entry: PageTableEntry<MachineSpace>, level: Int, of table: MPN, _ machine: inout MachineState
  ) {
    guard entry.isPresent, level > 1 || !isDevice(entry.frame, machine) else { return }
    if level == 1 && owner(of: entry.frame, machine) != owner(of: table, machine) { hasDroppedForeign = true }
    if level > 1 || entry.isWritable { return put(entry.frame, &machine) }
    drop(entry.frame, &machine)
  }

  /// Whether an entry is Xen's own: L4 slots 256 to 271 of a 64-bit guest (public/arch-x86/xen-x86_64.h).
  func isXenSlot(_ index: Int, level: Int) -> Bool { adjustsEntries && level == 4 && (256..<272).contains(index) }

  /// What Xen makes of a present entry of a kernel in ring 3 (`adjust_guest_l1e` to `adjust_guest_l4e`): the kernel's
  /// pages, marked by bit 52, and those of its processes are both the user's, and only the latter are global.
  func adjusted(_ entry: PageTableEntry<MachineSpace>, level: Int) -> PageTableEntry<MachineSpace> {
    guard adjustsEntries, entry.isPresent else { return entry }
    let kernelPage = EntryFlags.kernelPage.rawValue
    var raw = entry.raw | EntryFlags.user.rawValue
    switch level {
    case 1:
      if !entry.isUser { raw |= kernelPage }
      if raw & kernelPage == 0 { raw |= EntryFlags.global.rawValue }
    case 4: raw |= EntryFlags.accessed.rawValue
    default: break
    }
    return PageTableEntry(raw)
  }

  /// Replaces an entry of a page, as its type demands: in a table the new references are taken before the old are given
  /// back, unless only bits change that no reference depends on. `pages`: whose frames the entry may name; `keeping`: A
  /// and D that the entry has are kept. Returns whether every CPU must be flushed, as after a change above level 1.
  mutating func update(
    _ place: MachineAddress, _ value: UInt64, keeping: Bool = false, pages: DomainID? = nil,
    for domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) -> Bool {
    let frame = place.page
    guard isOwned(frame, by: domain, machine) else { throw .invalid }
    guard self[frame].isTable, let level = self[frame].kind.level else {
      // As data, which it is while the store is made.
      try get(frame, as: .writable, for: domain, &cpu, &machine)
      machine.memory.write(place, value)
      put(frame, &machine)
      return false
    }
    let owner = pages ?? domain
    if level > 1 && owner != domain || isXenSlot(Int(place.offset >> 3), level: level) { throw .invalid }
    let old = PageTableEntry<MachineSpace>(machine.memory.read(place))
    var new = PageTableEntry<MachineSpace>(value)
    if new.isPresent && !hasGoodFlags(new, level: level) { throw .invalid }
    new = adjusted(new, level: level)
    if keeping { new = PageTableEntry(new.raw | old.raw & 0x60) }
    // US, A, D, G, 9…11, 52…62, NX: as Xen's FASTPATH_FLAG_WHITELIST.
    let harmless: UInt64 = 0xfff0_0000_0000_0f64
    if (old.raw ^ new.raw) & ~harmless == 0 {
      machine.memory.write(place, new.raw)
    } else {
      try getEntry(new, level: level, pages: owner, for: domain, &cpu, &machine)
      machine.memory.write(place, new.raw)
      unlink(old, level: level, at: place)
      link(new, level: level, at: place)
      putEntry(old, level: level, of: frame, &machine)
    }
    return level > 1
  }
}

extension EntryFlags {
  /// A bit that is free for software, by which Xen marks the pages of a kernel in ring 3 (`_PAGE_GUEST_KERNEL`).
  static var kernelPage: EntryFlags { EntryFlags(rawValue: 1 << 52) }
}
