internal import Paging

/// A walk of the guest's own tables by software: what a hypervisor does to learn what the guest has mapped.
struct GuestWalk {
  /// The 4 KiB page that the address translates to.
  var page: PPN
  /// Size of the guest's page.
  var size: PageSize
  /// Level of the uppermost table whose entry the walk has read: 2 below a pointer of PAE paging, 0 without paging.
  var levels: Int
  /// How the guest's tables were read.
  var mode: PagingMode
  /// Rights over all levels.
  var rights = Rights.all
  /// The table and the entry at each level, from `levels` down to the leaf's.
  var tables = InlineArray<6, PPN>(repeating: PPN(0))
  var entries = InlineArray<6, PageTableEntry<PhysicalSpace>>(repeating: PageTableEntry(0))

  /// The entry that maps the page.
  var leaf: PageTableEntry<PhysicalSpace> { entries[size.level] }
}

extension GuestWalk {
  /// What there is without paging: the page of the same number, with all rights.
  init(unpaged page: VPN) {
    self.init(page: PPN(page.raw), size: .small, levels: 0, mode: .off)
    entries[1] = PageTableEntry(frame: self.page, [.present, .writable, .user, .accessed, .dirty])
  }
}

enum GuestWalkOutcome {
  case translated(GuestWalk)
  /// The guest's tables refuse the access: a true fault, with this code.
  case fault(PageFaultCode)
}

extension MachineState {
  /// Walks the guest's tables for an access with the guest's registers. Changes nothing; see ``setAccessed(_:_:for:)``.
  mutating func walkGuest(
    _ address: VirtualAddress, _ access: Access, _ cpu: borrowing VirtualCPU
  ) -> GuestWalkOutcome {
    let controls = cpu.guestControls
    let code = PageFaultCode(access, under: controls)
    if controls.levels == 0 { return .translated(GuestWalk(unpaged: address.page)) }
    var table = cpu.registers.root
    var level = controls.levels
    if level == 3 {
      let pointer = guestPointer(for: address, cpu)
      guard pointer.isPresent else { return .fault(code) }
      (table, level) = (pointer.frame, 2)
    }
    var walk = GuestWalk(page: PPN(0), size: .small, levels: level, mode: cpu.registers.mode)
    while true {
      let place = table.entryAddress(address, level: level, under: controls)
      let entry: PageTableEntry<PhysicalSpace> = controls.entry(
        guestEntry(place, under: controls), level: level, address)
      guard entry.isPresent else { return .fault(code) }
      guard entry.reservedBits(level: level, under: controls) == 0 else {
        return .fault(code.union([.present, .reserved]))
      }
      walk.rights = walk.rights.combined(with: Rights(entry))
      walk.tables[level] = table
      walk.entries[level] = entry
      if entry.isLeaf(level: level), let size = PageSize(level: level) {
        guard walk.rights.permits(access, under: controls) else { return .fault(code.union(.present)) }
        walk.size = size
        walk.page = PPN(entry.frame(of: size).raw + address.page.raw % size.pages)
        return .translated(walk)
      }
      table = entry.frame
      level -= 1
    }
  }

  /// The pointer of PAE paging that an address uses.
  mutating func guestPointer(
    for address: VirtualAddress, _ cpu: borrowing VirtualCPU
  ) -> PageTableEntry<PhysicalSpace> {
    let index = address.raw >> 30 & 3
    guard readsPointersInWalks else { return PageTableEntry(cpu.guestPointers[Int(index)]) }
    return PageTableEntry(guestWord(PhysicalAddress(cpu.registers.pointerTable.raw + index << 3)))
  }

  /// Sets A in every entry of a walk, and D in its leaf for a store, in the guest's memory and in the walk.
  mutating func setAccessed(
    _ walk: inout GuestWalk, _ address: VirtualAddress, for access: Access, _ cpu: borrowing VirtualCPU
  ) {
    let controls = cpu.guestControls
    for level in stride(from: walk.size.level, through: walk.levels, by: 1) {
      var flags: EntryFlags = .accessed
      if level == walk.size.level && access.isStore { flags.insert(.dirty) }
      guard !walk.entries[level].contains(flags) else { continue }
      let place = walk.tables[level].entryAddress(address, level: level, under: controls)
      memory.set(flags.rawValue, at: self.place(of: place))
      markStored(place.page)
      walk.entries[level] = walk.entries[level].setting(flags)
    }
  }
}

extension PageNumber {
  /// Address of the entry for a virtual address in this page, taken as a table of a level.
  @inline(__always) func entryAddress(_ address: VirtualAddress, level: Int) -> Address<Space> {
    Address(self.address.raw | address.tableIndex(level: level) << 3)
  }

  /// Address of the entry with an index, taken as a table.
  @inline(__always) func entryAddress(index: Int) -> Address<Space> {
    Address(address.raw | UInt64(index) << 3)
  }
}
