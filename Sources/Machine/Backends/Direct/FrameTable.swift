internal import Paging

/// Xen's frame table and the rules by which frames get and lose types (Xen, arch/x86/mm.c: `get_page_type`,
/// `put_page_type`, `get_page_from_l1e`, `mod_l1_entry` and their like).
///
/// A frame has one type at a time while its type count is not 0, so no frame is a page table and mapped writable at once.
struct FrameTable: ~Copyable {
  private var frames = PageMap<Frame>()
  /// Frames that have ever had a type or a reference, in order, for the recount of the invariants.
  private(set) var known: [MPN] = []
  private var isKnown = PageMap<Bool>()
  /// Frames outside of the guest's RAM that the domain owns: the port's extra tables.
  private var extra = PageMap<Bool>()

  subscript(frame: MPN) -> Frame { frames[frame.raw] ?? Frame() }

  private mutating func set(_ frame: MPN, _ value: Frame) {
    if isKnown[frame.raw] != true {
      isKnown.set(frame.raw, true)
      known.append(frame)
    }
    frames.set(frame.raw, value)
  }

  private mutating func change(_ frame: MPN, _ body: (inout Frame) -> Void) {
    var value = self[frame]
    body(&value)
    set(frame, value)
  }

  mutating func setExtra(_ frame: MPN, _ isOwned: Bool) { extra.set(frame.raw, isOwned) }

  /// Whether the domain owns a frame of RAM.
  func isOwned(_ frame: MPN, _ machine: borrowing MachineState) -> Bool {
    if extra[frame.raw] == true { return true }
    guard let page = machine.physmap.physical(frame) else { return false }
    return !machine.isDevice(page)
  }

  // MARK: Types

  /// Takes a reference of a type, and a general one. A change of type flushes TLBs that may still have the frame as what
  /// it was, and a table is validated before anybody may rely on it.
  mutating func get(
    _ frame: MPN, as kind: Frame.Kind, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    guard isOwned(frame, machine) else { throw .invalid }
    let old = self[frame]
    if old.typeCount > 0 && old.kind != kind { throw .invalid }
    if old.typeCount == 0 && old.kind != kind {
      if old.kind != .none && old.droppedAt == machine.flushClock { machine.flushAllCPUs(&cpu) }
      change(frame) {
        $0.kind = kind
        $0.isValidated = false
      }
    }
    change(frame) { $0.typeCount += 1 }
    if let level = kind.level, !self[frame].isValidated {
      do throws(XenError) {
        try validate(frame, level: level, &cpu, &machine)
      } catch {
        change(frame) {
          $0.typeCount -= 1
          $0.kind = .none
        }
        throw error
      }
      change(frame) { $0.isValidated = true }
    }
    change(frame) { $0.totalCount += 1 }
  }

  /// Gives back a type reference and the general one. A table that nobody relies on lets go of all that it refers to.
  mutating func put(_ frame: MPN, _ machine: inout MachineState) {
    precondition(self[frame].typeCount > 0 && self[frame].totalCount > 0, "a reference that was not taken")
    change(frame) {
      $0.typeCount -= 1
      $0.totalCount -= 1
    }
    let now = self[frame]
    guard now.typeCount == 0 else { return }
    let clock = machine.flushClock
    change(frame) { $0.droppedAt = clock }
    guard let level = now.kind.level, now.isValidated else { return }
    change(frame) { $0.isValidated = false }
    for index in 0..<512 { putEntry(entry(frame, index, machine), level: level, &machine) }
  }

  private func entry(_ frame: MPN, _ index: Int, _ machine: borrowing MachineState) -> PageTableEntry<MachineSpace> {
    PageTableEntry(machine.memory.read(frame.entryAddress(index: index)))
  }

  /// Takes the references of all entries of a table, or none.
  private mutating func validate(
    _ frame: MPN, level: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    for index in 0..<512 {
      do throws(XenError) {
        try getEntry(entry(frame, index, machine), level: level, &cpu, &machine)
      } catch {
        for accepted in 0..<index { putEntry(entry(frame, accepted, machine), level: level, &machine) }
        throw error
      }
    }
  }

  // MARK: Entries

  /// Bits that an entry of a level may have: P, RW, US, A, D, 9…11, 52…62 and NX; at level 1 also PWT, PCD, PAT and G,
  /// since the domain has I/O rights.
  private static func allowedFlags(level: Int) -> UInt64 {
    0xfff0_0000_0000_0e67 | (level == 1 ? 0x198 : 0)
  }

  private static let frameMask: UInt64 = 0xf_ffff_ffff_f000

  /// Checks an entry and takes the references that it stands for.
  private mutating func getEntry(
    _ entry: PageTableEntry<MachineSpace>, level: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    guard entry.isPresent else { return }
    if entry.raw & ~(Self.allowedFlags(level: level) | Self.frameMask) != 0 { throw .invalid }
    if level > 1 { return try get(entry.frame, as: Frame.Kind(level: level - 1), &cpu, &machine) }
    guard isOwned(entry.frame, machine) else {
      // Device memory, to which the domain has the right; anything else is another's.
      if machine.physmap.physical(entry.frame) != nil { return }
      throw .busy
    }
    if entry.isWritable {
      do throws(XenError) { try get(entry.frame, as: .writable, &cpu, &machine) } catch { throw .busy }
    } else {
      change(entry.frame) { $0.totalCount += 1 }
    }
  }

  /// Gives back the references of an entry of a validated table.
  private mutating func putEntry(
    _ entry: PageTableEntry<MachineSpace>, level: Int, _ machine: inout MachineState
  ) {
    guard entry.isPresent, level > 1 || isOwned(entry.frame, machine) else { return }
    if level > 1 || entry.isWritable { return put(entry.frame, &machine) }
    precondition(self[entry.frame].totalCount > 0, "a reference that was not taken")
    change(entry.frame) { $0.totalCount -= 1 }
  }

  /// Replaces an entry of a page, as its type demands: in a table the new references are taken before the old are given
  /// back, unless only bits change that no reference depends on. A change above level 1 flushes every CPU.
  mutating func update(
    _ place: MachineAddress, _ value: UInt64, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    let frame = place.page
    guard isOwned(frame, machine) else { throw .invalid }
    guard self[frame].isTable, let level = self[frame].kind.level else {
      machine.memory.write(place, value)
      return
    }
    let old = PageTableEntry<MachineSpace>(machine.memory.read(place))
    let new = PageTableEntry<MachineSpace>(value)
    // US, A, D, G, 9…11, 52…62, NX: as Xen's FASTPATH_FLAG_WHITELIST. Flags are checked before, whatever changes.
    let harmless: UInt64 = 0xfff0_0000_0000_0f64
    let isHarmless = (old.raw ^ new.raw) & ~harmless == 0
    if isHarmless {
      if new.isPresent && new.raw & ~(Self.allowedFlags(level: level) | Self.frameMask) != 0 { throw .invalid }
      machine.memory.write(place, value)
    } else {
      try getEntry(new, level: level, &cpu, &machine)
      machine.memory.write(place, value)
      putEntry(old, level: level, &machine)
    }
    if level > 1 { machine.flushAllCPUs(&cpu) }
  }

  // MARK: Pins

  mutating func pin(
    _ frame: MPN, level: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    if self[frame].isPinned { throw .invalid }
    try get(frame, as: Frame.Kind(level: level), &cpu, &machine)
    change(frame) { $0.isPinned = true }
  }

  mutating func unpin(_ frame: MPN, _ machine: inout MachineState) throws(XenError) {
    guard self[frame].isPinned else { throw .invalid }
    change(frame) { $0.isPinned = false }
    put(frame, &machine)
  }
}
