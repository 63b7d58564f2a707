internal import Paging

extension Processor where MMU: ~Copyable {
  /// MOV to CR3. Before the CPU's first access it only sets the register.
  mutating func loadCR3(_ value: UInt64) throws(ReplayError) {
    guard cpus.running.hasStarted else {
      cpus.running.registers.cr3 = value & ~CR3.noFlush
      updateControls()
      return
    }
    let address = value & ~(CR3.noFlush | 0xfff)
    guard address < 1 << UInt64(machine.description.maxPhysicalAddressBits) else { return protect("cr3", value) }
    // Only with CR4.PCIDE does bit 63 mean something to MOV to CR3; otherwise it is reserved (SDM 2B, MOV to control
    // registers).
    if value & CR3.noFlush != 0 && !cpus.running.registers.hasPCID { return protect("cr3", value) }
    var new = cpus.running.registers
    new.cr3 = value & ~CR3.noFlush
    guard loadPointers(new) else { return protect("cr3", value) }
    if MMU.storesByHypercall {
      pending = PendingOperation(number: machine.operation, kind: .rootLoad(value))
    } else {
      try finishLoadCR3(value)
    }
  }

  mutating func finishLoadCR3(_ value: UInt64) throws(ReplayError) {
    let keeps = cpus.running.registers.hasPCID && value & CR3.noFlush != 0
    cpus.running.registers.cr3 = value & ~CR3.noFlush
    machine.counters.guestCR3Loads += 1
    machine.counters.cycles.guestCR3 += machine.description.costs.loadCR3
    updateControls()
    if !keeps { cpus.running.flush(pcid: UInt64(cpus.running.registers.pcid)) }
    let root = root
    oracle?.loadedCR3(root, keeps: keeps, cpus.running.index)
    try backend.loadedCR3(keeps: keeps, &cpus.running, &machine)
    leaveMonitor()
  }

  /// MOV to CR0 or CR4, WRMSR to EFER.
  mutating func loadControls(_ operation: Operation) throws(ReplayError) {
    let old = cpus.running.registers
    var new = old
    switch operation.kind {
    case .loadCR0: new.cr0 = operation.address
    case .loadCR4: new.cr4 = operation.address
    default: new.efer = operation.address
    }
    try checkSupported(new)
    let description = machine.description
    if new.hasPCID && !description.hasPCID { return protect("cr4", new.cr4) }
    guard cpus.running.hasStarted else {
      cpus.running.registers = new
      return updateControls()
    }
    guard new.isPossible(after: old), !new.reloadsPointers(after: old) || loadPointers(new) else {
      return protect(operation.register, operation.address)
    }
    cpus.running.registers = new
    updateControls()
    flushAfterChange(old, new)
    let root = root
    oracle?.changedControls(old, new, root, cpus.running.index)
    try backend.loadedControls(old, &cpus.running, &machine)
    leaveMonitor()
  }

  private func checkSupported(_ registers: ControlRegisters) throws(ReplayError) {
    guard registers.cr4 & CR4.la57 == 0 || machine.description.hasFiveLevels else {
      throw error("CR4.LA57, which the machine \(machine.description.name) does not have")
    }
  }

  /// What a change of control registers must drop (SDM 3A 4.10.4.1).
  private mutating func flushAfterChange(_ old: ControlRegisters, _ new: ControlRegisters) {
    let changesGlobals = old.hasGlobalPages != new.hasGlobalPages
    let dropsPCID = old.hasPCID && !new.hasPCID
    let setsSMEP = !old.hasSMEP && new.hasSMEP
    let changesFormat = old.mode != new.mode || (old.cr4 ^ new.cr4) & CR4.pse != 0
    // The manual demands nothing for EFER.NXE, and the current PCID alone for SMEP and PAE; more is always allowed.
    if changesFormat || changesGlobals || dropsPCID || setsSMEP || old.hasNoExecute != new.hasNoExecute {
      cpus.running.flushAll()
    }
  }

  /// The state that a scenario or a recording sets before a CPU's first access.
  mutating func checkFirstState() throws(ReplayError) {
    let registers = cpus.running.registers
    guard registers.mode.levels < 4 || registers.cr4 & CR4.pae != 0 else {
      throw error("CR0.PG and EFER.LME without CR4.PAE")
    }
    guard !registers.hasPCID || registers.mode.levels >= 4 else { throw error("CR4.PCIDE outside of long mode") }
    guard registers.mode.levels >= 4 || registers.cr3 >> 32 == 0 else {
      throw error("CR3 \(String(registers.cr3, radix: 16)) outside of long mode, expected 32 bits")
    }
    guard loadPointers(registers) else {
      throw error("a page-directory pointer at \(registers.pointerTable.hexadecimal) with reserved bits")
    }
  }

  /// PAE paging: loads the four pointers (SDM 3A 4.4.1). Returns false, and loads none, if one that is present has
  /// reserved bits: a general-protection fault.
  private mutating func loadPointers(_ registers: ControlRegisters) -> Bool {
    guard registers.mode == .pae, !machine.readsPointersInWalks else { return true }
    var pointers = InlineArray<4, UInt64>(repeating: 0)
    for index in 0..<4 {
      let place = PhysicalAddress(registers.pointerTable.raw + UInt64(index) * 8)
      let pointer = PageTableEntry<PhysicalSpace>(machine.guestWord(place))
      let bits = machine.description.maxPhysicalAddressBits
      if pointer.isPresent && pointer.reservedPointerBits(maxPhysicalAddressBits: bits) != 0 { return false }
      pointers[index] = pointer.raw
    }
    cpus.running.guestPointers = pointers
    return true
  }

  /// Works out what walks obey after a register has changed.
  private mutating func updateControls() {
    let registers = cpus.running.registers
    cpus.running.context = cpus.running.owner.raw | UInt64(registers.pcid)
    let controls = machine.controls(for: registers)
    hasHadNarrowTables = hasHadNarrowTables || controls.hasNarrowEntries
    if controls == cpus.running.guestControls { return }
    cpus.running.guestControls = controls
    cpus.running.setHardwareControls(controls)
  }

  /// INVLPG, a no-op for an address that is not canonical.
  mutating func invlpg(_ address: VirtualAddress) {
    machine.counters.guestInvlpgs += 1
    machine.counters.cycles.guestInvlpg += machine.description.costs.invlpg
    if address.isCanonical(levels: cpus.running.registers.levels) {
      cpus.running.invalidate(address.page)
      oracle?.invalidated(address.page, cpus.running.registers, cpus.running.index)
    }
    if cpus.running.hasStarted { backend.invalidated(address, &cpus.running, &machine) }
    leaveMonitor()
  }

  /// INVPCID; an operand that is not valid is #GP.
  mutating func invpcid(type: UInt16, pcid: UInt64, _ address: VirtualAddress) {
    guard let operation = decode(type, pcid, address) else { return protect("invpcid", UInt64(type)) }
    switch operation {
    case .address(let address, let pcid): cpus.running.invalidate(address.page, pcid: pcid)
    case .context(let pcid): cpus.running.flush(pcid: pcid)
    case .allContexts: cpus.running.flushAll()
    case .allContextsNonGlobal: cpus.running.flushNonGlobal()
    }
    oracle?.invalidated(operation, cpus.running.index)
    if cpus.running.hasStarted { backend.invalidated(operation, &cpus.running, &machine) }
    leaveMonitor()
  }

  private func decode(_ type: UInt16, _ pcid: UInt64, _ address: VirtualAddress) -> PCIDInvalidation? {
    let registers = cpus.running.registers
    guard pcid <= 0xfff, type <= 3, type > 1 || registers.hasPCID || pcid == 0 else { return nil }
    switch type {
    case 0: return address.isCanonical(levels: registers.levels) ? .address(address, pcid: pcid) : nil
    case 1: return .context(pcid: pcid)
    case 2: return .allContexts
    default: return .allContextsNonGlobal
    }
  }

  /// A general-protection fault of an instruction, which then has no effect.
  private mutating func protect(_ cause: String, _ value: UInt64) {
    machine.counters.generalProtections += 1
    var event = Event(operation: machine.operation, cpu: cpus.running.index, kind: .trueFault, cause: cause + " #GP")
    event.value = value
    machine.log.append(event)
    if machine.guest == .recorded {
      machine.diverge(expected: "\(cause) \(String(value, radix: 16)) to be carried out", found: "#GP")
    }
  }
}

extension Operation {
  /// The register that a load names.
  fileprivate var register: String {
    switch kind {
    case .loadCR0: "cr0"
    case .loadCR4: "cr4"
    default: "efer"
    }
  }
}

extension ControlRegisters {
  /// Whether an instruction may bring these registers about, all other bits aside (SDM 3A 2.5, 4.1.2; 3A 10.8.5): paging
  /// needs PAE in long mode, and long mode and LA57 may be left or entered without paging alone.
  fileprivate func isPossible(after old: ControlRegisters) -> Bool {
    let isPaged = cr0 & CR0.paging != 0
    let isLong = efer & EFER.longMode != 0
    if isPaged && isLong && cr4 & CR4.pae == 0 { return false }
    if isPaged && old.cr0 & CR0.paging != 0 {
      if (efer ^ old.efer) & EFER.longMode != 0 { return false }
      if isLong && (cr4 ^ old.cr4) & CR4.la57 != 0 { return false }
    }
    guard hasPCID else { return true }
    return isPaged && isLong && (old.hasPCID || old.cr3 & 0xfff == 0)
  }

  /// Whether a change of CR0 or CR4 loads the pointers of PAE paging again (SDM 3A 4.4.1).
  func reloadsPointers(after old: ControlRegisters) -> Bool {
    let bits4 = CR4.pae | CR4.pse | CR4.globalPages | CR4.smep
    return mode == .pae && ((cr0 ^ old.cr0) & (CR0.paging | CR0.caching) != 0 || (cr4 ^ old.cr4) & bits4 != 0)
  }
}
