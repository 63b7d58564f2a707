internal import Paging

/// A walk of the guest's own tables by software: what a hypervisor does to learn what the guest has mapped.
struct GuestWalk {
  /// The 4 KiB page that the address translates to.
  var page: PPN
  /// Size of the guest's page.
  var size: PageSize
  /// Level of the top table.
  var levels: Int
  /// Rights over all levels.
  var rights = Rights.all
  /// The table and the entry at each level, from `levels` down to the leaf's.
  var tables = InlineArray<6, PPN>(repeating: PPN(0))
  var entries = InlineArray<6, PageTableEntry<PhysicalSpace>>(repeating: PageTableEntry(0))

  /// The entry that maps the page.
  var leaf: PageTableEntry<PhysicalSpace> { entries[size.level] }
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
    var walk = GuestWalk(page: PPN(0), size: .small, levels: controls.levels)
    var table = cpu.registers.root
    var level = controls.levels
    while true {
      let entry = PageTableEntry<PhysicalSpace>(guestWord(table.entryAddress(address, level: level)))
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

  /// Sets A in every entry of a walk, and D in its leaf for a store, in the guest's memory and in the walk.
  mutating func setAccessed(_ walk: inout GuestWalk, _ address: VirtualAddress, for access: Access) {
    for level in walk.size.level...walk.levels {
      var flags: EntryFlags = .accessed
      if level == walk.size.level && access.isStore { flags.insert(.dirty) }
      guard !walk.entries[level].contains(flags) else { continue }
      let place = walk.tables[level].entryAddress(address, level: level)
      memory.set(flags.rawValue, at: physmap.machine(place))
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
