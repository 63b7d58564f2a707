internal import Paging

extension MachineState {
  /// The walk of ``walk(_:_:_:)`` on a machine with a page-walk cache, and through tables that are not those of long mode.
  /// What it read is noted as it goes, since memory may say otherwise by now.
  @inline(never) mutating func walkByEntries(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU
  ) -> WalkOutcome {
    let controls = cpu.hardwareControls
    let code = PageFaultCode(access, under: controls)
    if controls.levels == 0 { return .translated(unpaged(address.page)) }
    // A pointer of PAE paging is a register: no cache knows better.
    guard var start = cpu.top(address) else { return pageFault(address, access, code) }
    if let cached = startOfWalk(cpu.structurePrefix(address), &cpu) { start = cached }
    var (level, table, rights, isStale) = (start.level, start.table, start.rights, start.rights != .all)
    var path = WalkPath(top: level)
    while true {
      let place = table.entryAddress(address, level: level, under: controls)
      let (raw, entryIsStale) = entry(at: place, level: level, &cpu)
      let entry: PageTableEntry<MachineSpace> = controls.entry(raw, level: level, address)
      isStale = isStale || entryIsStale
      guard entry.isPresent else { return pageFault(address, access, code) }
      guard entry.reservedBits(level: level, under: controls) == 0 else {
        return pageFault(address, access, code.union([.present, .reserved]))
      }
      rights = rights.combined(with: Rights(entry))
      path.append(level, place, entry, rights)
      if entry.isLeaf(level: level) { break }
      table = entry.frame
      level -= 1
    }
    guard rights.permits(access, under: controls) else {
      return pageFault(address, access, code.union(.present), reliesOnCachedRights: isStale)
    }
    let leaf = path.complete(access, memory: &memory)
    path.fill(&cpu, cpu.structurePrefix(address))
    guard let size = PageSize(level: level) else { preconditionFailure("a leaf at level \(level)") }
    return .translated(
      Translation(
        frame: leaf.frame(of: size), size: size, guestSize: size, rights: rights, isDirty: leaf.isDirty,
        isGlobal: leaf.isGlobal && controls.hasGlobalPages))
  }

  /// Without paging a linear address is a physical one, and everything is allowed.
  private mutating func unpaged(_ page: VPN) -> Translation {
    Translation(
      frame: physmap.machine(PPN(page.raw)), size: .small, guestSize: .small, rights: .all, isDirty: true,
      isGlobal: false)
  }

  private func pageFault(
    _ address: VirtualAddress, _ access: Access, _ code: PageFaultCode, reliesOnCachedRights: Bool = false
  ) -> WalkOutcome {
    .fault(HardwareFault(address: address, access: access, code: code, reliesOnCachedRights: reliesOnCachedRights))
  }
}

extension PageNumber {
  /// Address of the entry for a virtual address in this page, taken as a table of a level under these controls.
  @inline(__always) func entryAddress(
    _ address: VirtualAddress, level: Int, under controls: PagingControls
  ) -> Address<Space> {
    guard controls.hasNarrowEntries else { return entryAddress(address, level: level) }
    return Address(self.address.raw | NarrowPaging.offset(address, level: level))
  }
}

extension PagingControls {
  /// An entry as the walk takes it, from the word in memory.
  @inline(__always) func entry<Target>(
    _ raw: UInt64, level: Int, _ address: VirtualAddress
  ) -> PageTableEntry<Target> {
    hasNarrowEntries ? NarrowPaging.widened(raw, level: level, address, under: self) : PageTableEntry(raw)
  }
}
