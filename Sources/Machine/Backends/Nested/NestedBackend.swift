internal import Paging

/// Nested paging: the hardware walks the guest's tables, and translates each physical address that this needs through
/// the hypervisor's nested table. The guest's page faults, CR3 loads and INVLPGs are its own.
struct NestedBackend: Backend, ~Copyable {
  private var table: NestedTable

  /// Pages that an eager table may have: 64 GiB of memory, 128 MiB of tables.
  private static var eagerLimit: UInt64 { 1 << 24 }

  init(_ machine: inout MachineState) { table = NestedTable(&machine) }

  mutating func start(_ cpu: inout VirtualCPU, _ machine: inout MachineState, isFirst: Bool) throws(ReplayError) {
    if isFirst && machine.settings.isNestedTableEager {
      guard machine.ramPages <= Self.eagerLimit else {
        throw ReplayError(
          operation: machine.operation,
          message: "nested.fill=eager with \(machine.ramPages << 12) bytes of ram, expected 64 GiB at most")
      }
      for page in 0..<machine.ramPages { table.fill(PPN(page), &machine) }
    }
    machine.notePeaks()
  }

  /// The two-dimensional walk (SDM 3C 29.3.2; AMD APM 2 15.25): every table of the guest's is found through the nested
  /// table, then one of its entries is read; in the end the page itself is translated. The guest's rights are checked
  /// before that last translation, so a guest fault comes before a violation of the page.
  mutating func walk(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> WalkOutcome {
    machine.counters.walks += 1
    let controls = cpu.guestControls
    var level = controls.levels
    var rights = Rights.all
    var frame: MPN
    if let start = cpu.structures.start(address, context: cpu.context) {
      (level, frame, rights) = (start.level, start.table, start.rights)
    } else {
      guard let root = table.walk(cpu.registers.root, &machine) else {
        return violation(cpu.registers.root.entryAddress(address, level: level), address, access, isTable: true)
      }
      frame = root
    }
    let cachedRights = rights

    var path = WalkPath(top: level)
    var guest: PageTableEntry<PhysicalSpace>
    while true {
      let place = frame.entryAddress(address, level: level)
      guest = readGuestEntry(place, &machine)
      let code = PageFaultCode(access, under: controls)
      guard guest.isPresent else { return pageFault(address, access, code) }
      guard guest.reservedBits(level: level, under: controls) == 0 else {
        return pageFault(address, access, code.union([.present, .reserved]))
      }
      rights = rights.combined(with: Rights(guest))
      if guest.isLeaf(level: level) {
        path.append(level, place, PageTableEntry(guest.raw), rights)
        guard rights.permits(access, under: controls) else {
          return pageFault(
            address, access, code.union(.present), reliesOnCachedRights: cachedRights != .all)
        }
        break
      }
      guard let below = table.walk(guest.frame, &machine) else {
        return violation(guest.frame.entryAddress(address, level: level - 1), address, access, isTable: true)
      }
      // What the walk's path keeps is where the hardware finds the table below: a machine page.
      path.append(level, place, PageTableEntry(below.address.raw | guest.raw & ~0xf_ffff_ffff_f000), rights)
      frame = below
      level -= 1
    }
    guard let size = PageSize(level: level) else { preconditionFailure("a leaf at level \(level)") }
    let page = PPN(guest.frame(of: size).raw + address.page.raw % size.pages)
    guard let target = table.walk(page, &machine) else {
      return violation(PhysicalAddress(page.address.raw | address.offset), address, access, isTable: false)
    }
    let leaf = path.complete(access, memory: &machine.memory)
    path.fill(&cpu, address)
    return .translated(
      Translation(
        frame: target, size: .small, guestSize: size, rights: rights, isDirty: leaf.isDirty,
        isGlobal: leaf.isGlobal && controls.hasGlobalPages))
  }

  private func readGuestEntry(
    _ place: MachineAddress, _ machine: inout MachineState
  ) -> PageTableEntry<PhysicalSpace> {
    machine.counters.walkReferences += 1
    machine.counters.walkReferencesGuest += 1
    machine.counters.cyclesTranslation += machine.walkCache.cycles(of: place)
    return PageTableEntry(machine.memory.read(place))
  }

  private func pageFault(
    _ address: VirtualAddress, _ access: Access, _ code: PageFaultCode, reliesOnCachedRights: Bool = false
  ) -> WalkOutcome {
    .fault(HardwareFault(address: address, access: access, code: code, reliesOnCachedRights: reliesOnCachedRights))
  }

  private func violation(
    _ place: PhysicalAddress, _ address: VirtualAddress, _ access: Access, isTable: Bool
  ) -> WalkOutcome {
    .fault(
      HardwareFault(
        address: address, access: access, code: PageFaultCode(access, reportsFetch: true), violation: place,
        isTableAccess: isTable))
  }

  mutating func resolve(
    _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution {
    let costs = machine.description.costs
    guard let place = fault.violation else {
      return .deliver(PageFault(address: fault.address, code: fault.code))
    }
    guard machine.isDevice(place.page) else {
      machine.count(.fill, fault, place.page, cost: costs.fill, cpu.index)
      table.fill(place.page, &machine)
      return .retry
    }
    machine.count(.other, fault, place.page, cost: costs.emulation, cpu.index)
    // Device memory has no page tables: the entry reads as 0, not present.
    if fault.isTableAccess {
      return .deliver(PageFault(address: fault.address, code: PageFaultCode(fault.access, under: cpu.guestControls)))
    }
    if case .translated(var walk) = machine.walkGuest(fault.address, fault.access, cpu) {
      machine.setAccessed(&walk, fault.address, for: fault.access)
    }
    return .emulated(place.page)
  }

  mutating func loadedCR3(keeps: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  mutating func loadedControls(
    _ old: ControlRegisters, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {}

  mutating func invalidated(_ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  mutating func invalidated(
    _ operation: PCIDInvalidation, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {}
}
