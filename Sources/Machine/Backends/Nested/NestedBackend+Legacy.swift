internal import Paging

/// What guests outside of long mode have of their own: pointers of PAE paging, and no paging at all.
extension NestedBackend {
  /// Without paging the one dimension that is left translates the address itself, which counts as a user-mode one
  /// (SDM 3C 29.3.1, 29.3.2).
  mutating func walkUnpaged(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> WalkOutcome {
    let needed = NestedAccess(needed: NestedRights(access, isUserPage: true), isFinal: true)
    switch table.walk(PhysicalAddress(address.raw), needed, &cpu, &machine) {
    case .fault(let fault): return violation(fault, address, access)
    case .translated(let found):
      return .translated(
        Translation(
          frame: found.frame, size: .small, guestSize: .small, rights: .all, isDirty: found.isDirty, isGlobal: false,
          refused: found.rights.refused(isUserPage: true)))
    }
  }

  /// The page directory that an address's pointer names. Intel's processors have the pointers in registers, and nothing
  /// is read; AMD's read them as the entry of a third level, without A, under nested paging (APM 2 15.25.10).
  mutating func pointer(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Result<PPN, HardwareFault> {
    var fault = HardwareFault(
      address: address, access: access, code: PageFaultCode(access, under: cpu.guestControls))
    var pointer = PageTableEntry<PhysicalSpace>(cpu.guestPointers[Int(address.raw >> 30 & 3)])
    if machine.readsPointersInWalks {
      let place = PhysicalAddress(cpu.registers.pointerTable.raw + (address.raw >> 30 & 3) << 3)
      switch table.walk(place, table.rules.tableRead, &cpu, &machine) {
      case .fault(let nested):
        guard case .fault(let fault) = violation(nested, address, access) else { preconditionFailure("a violation") }
        return .failure(fault)
      case .translated(let found):
        noteUse(of: place.page, &machine)
        let before = machine.counters.walkReferences
        let place = MachineAddress(found.frame.address.raw | place.offset)
        pointer = PageTableEntry(machine.entry(at: place, level: 3, &cpu).raw)
        machine.counters.walkReferencesGuest += machine.counters.walkReferences - before
      }
    }
    guard pointer.isPresent else { return .failure(fault) }
    let bits = machine.description.maxPhysicalAddressBits
    if pointer.reservedPointerBits(maxPhysicalAddressBits: bits) != 0 {
      fault.code.formUnion([.present, .reserved])
      return .failure(fault)
    }
    return .success(pointer.frame)
  }

  /// A register load has read the pointers of PAE paging: a plain read through the nested table, whose violation knows of
  /// no linear address (SDM 3C 28.2.1, table 28-7, bit 7).
  mutating func readPointers(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard cpu.guestControls.levels == 3, !machine.readsPointersInWalks else { return }
    let place = cpu.registers.pointerTable
    let access = NestedAccess(needed: .read, isFinal: false, hasLinearAddress: false)
    let costs = machine.description.costs
    let isWithheld = !NestedRights(machine.traces.protection(of: place.page)).contains(.read)
    // A violation for each level, and some more.
    for _ in 0..<10 where !machine.isDevice(place.page) {
      guard case .fault(let fault) = table.walk(place, access, &cpu, &machine) else { return }
      cpu.nested.remove(place)
      if !machine.settings.nested.hasVPID {
        cpu.crossedWithoutVPID()
        machine.counters.exitFlushes += 1
      }
      let hardware = HardwareFault(
        address: VirtualAddress(0), access: Access(AccessKind.load, user: false), code: [], nested: fault)
      if isWithheld {
        // The hypervisor carries out the load; as of its walks, nobody hears.
        return machine.count(.trace, hardware, place.page, cost: costs.emulation, cpu.index)
      }
      machine.count(fault.isAbsent ? .fill : .other, hardware, place.page, cost: costs.fill, cpu.index)
      table.fill(place.page, upTo: limit(machine), &machine)
    }
  }
}
