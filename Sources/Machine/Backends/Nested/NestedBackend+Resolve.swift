internal import Paging

extension NestedBackend {
  /// Decides what a violation was: a full log, a device's, an access that somebody watches, or an entry that grants too
  /// little.
  mutating func resolve(
    _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution {
    guard let nested = fault.nested else { return .deliver(PageFault(address: fault.address, code: fault.code)) }
    if nested.kind == .logFull { return resolveLogFull(&cpu, &machine) }
    forget(fault.address, nested, &cpu, &machine)
    let (page, costs) = (nested.place.page, machine.description.costs)
    if machine.isDevice(page) { return resolveDevice(fault, nested, &cpu, &machine) }
    let allowed = NestedRights(machine.traces.protection(of: page))
    if allowed.isSuperset(of: nested.needed) {
      let cause: HiddenCause = !machine.isBacked(page) ? .host : nested.isAbsent ? .fill : .other
      machine.count(cause, fault, page, cost: costs.fill, cpu.index)
      table.fill(page, upTo: limit(machine), &machine)
      return .retry
    }
    return nested.isFinal
      ? resolveTraced(fault, nested, &cpu, &machine) : resolveTracedTable(fault, nested, &cpu, &machine)
  }

  private mutating func resolveDevice(
    _ fault: HardwareFault, _ nested: NestedFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution {
    machine.count(.other, fault, nested.place.page, cost: machine.description.costs.emulation, cpu.index)
    // Device memory has no page tables: the entry reads as 0, not present.
    if !nested.isFinal {
      return .deliver(PageFault(address: fault.address, code: PageFaultCode(fault.access, under: cpu.guestControls)))
    }
    if case .translated(var walk) = machine.walkGuest(fault.address, fault.access, cpu) {
      machine.setAccessed(&walk, fault.address, for: fault.access, cpu)
    }
    return .emulated(nested.place.page)
  }

  /// What the violation drops of what is cached for the two addresses (SDM 3C 29.4.3.1), and what the exit drops if the
  /// TLB has no tags: everything but guest-physical mappings.
  private func forget(
    _ address: VirtualAddress, _ fault: NestedFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    cpu.nested.remove(fault.place)
    if machine.settings.nested.hasVPID {
      cpu.dropAfterFault(address)
    } else {
      cpu.crossedWithoutVPID()
      machine.counters.exitFlushes += 1
    }
  }
}
