internal import Paging

extension NestedBackend {
  mutating func resolve(
    _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution {
    guard let nested = fault.nested else { return .deliver(PageFault(address: fault.address, code: fault.code)) }
    let costs = machine.description.costs
    forget(fault.address, nested, &cpu, machine.settings.nested)
    guard machine.isDevice(nested.place.page) else {
      machine.count(nested.isAbsent ? .fill : .other, fault, nested.place.page, cost: costs.fill, cpu.index)
      table.fill(nested.place.page, upTo: machine.settings.nested.page, &machine)
      return .retry
    }
    machine.count(.other, fault, nested.place.page, cost: costs.emulation, cpu.index)
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
    _ address: VirtualAddress, _ fault: NestedFault, _ cpu: inout VirtualCPU, _ settings: NestedSettings
  ) {
    cpu.nested.remove(fault.place)
    if settings.hasVPID { cpu.dropAfterFault(address) } else { cpu.flushAll() }
  }
}
