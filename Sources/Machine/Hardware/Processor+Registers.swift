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
    oracle?.loadedCR3(cpus.running.registers, keeps: keeps, cpus.running.index)
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
    let enablesPCID = new.hasPCID && !old.hasPCID
    if enablesPCID && old.cr3 & 0xfff != 0 || new.levels != old.levels { return protect("cr4", new.cr4) }
    cpus.running.registers = new
    updateControls()
    flushAfterChange(old, new)
    oracle?.changedControls(old, new, cpus.running.index)
    try backend.loadedControls(old, &cpus.running, &machine)
    leaveMonitor()
  }

  /// 32-bit and PAE paging, and no paging, are not simulated.
  private func checkSupported(_ registers: ControlRegisters) throws(ReplayError) {
    guard registers.cr0 & CR0.paging != 0, registers.cr4 & CR4.pae != 0, registers.efer & EFER.longMode != 0 else {
      throw error("paging off or a 32-bit mode, expected 4- or 5-level paging (CR0.PG, CR4.PAE and EFER.LME set)")
    }
    guard registers.levels == 4 || machine.description.hasFiveLevels else {
      throw error("CR4.LA57, which the machine \(machine.description.name) does not have")
    }
  }

  /// What a change of control registers must drop (SDM 3A 4.10.4.1).
  private mutating func flushAfterChange(_ old: ControlRegisters, _ new: ControlRegisters) {
    let changesGlobals = old.hasGlobalPages != new.hasGlobalPages
    let dropsPCID = old.hasPCID && !new.hasPCID
    let setsSMEP = !old.hasSMEP && new.hasSMEP
    // The manual demands nothing for EFER.NXE, and the current PCID alone for SMEP; more is always allowed.
    if changesGlobals || dropsPCID || setsSMEP || old.hasNoExecute != new.hasNoExecute {
      cpus.running.flushAll()
    }
  }

  /// Works out what walks obey after a register has changed.
  private mutating func updateControls() {
    let registers = cpus.running.registers
    cpus.running.context = cpus.running.owner.raw | UInt64(registers.pcid)
    cpus.running.forgetLastPages()
    let controls = machine.controls(for: registers)
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
