internal import Paging

extension DirectBackend {
  /// Books a hypercall. `address` is what it names, by physical address; `returned`, what it returned if it went well.
  mutating func countHypercall(
    _ name: String, _ address: PhysicalAddress?, _ value: UInt64?, _ failure: XenError?, returned: Int = 0,
    _ machine: inout MachineState, _ cpu: Int
  ) {
    guard !isBuilding else { return }
    machine.counters.hypercalls += 1
    machine.counters.exitHypercall += 1
    machine.counters.hypercallContinuations += xen.takeContinuations()
    machine.counters.cycles.hypercall += machine.description.costs.hypercall
    guard machine.log.recordsEvents else { return }
    var event = Event(operation: machine.operation, cpu: cpu, kind: .hypercall, cause: name)
    event.physical = address
    event.value = value
    event.result = failure?.result ?? String(returned)
    machine.log.append(event)
  }

  /// Books what updates cost and how they went.
  func countUpdates(_ tried: Int, refused: Int, _ machine: inout MachineState) {
    guard !isBuilding else { return }
    machine.counters.mmuUpdates += UInt64(tried)
    machine.counters.mmuUpdatesRejected += UInt64(refused)
    machine.counters.cycles.validation += UInt64(tried) * machine.description.costs.validation
  }

  mutating func pin(_ page: PPN, level: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    settle(&cpu, &machine)
    attachAll(&cpu, &machine)
    var failure: XenError?
    do throws(XenError) {
      try xen.pin(machine.physmap.machine(page), level: level, for: machine.domain, &cpu, &machine)
      // Linux pins both at once (`xen_pgd_pin`).
      if let user = port.userBases[page] { try xen.pin(user, level: level, for: machine.domain, &cpu, &machine) }
    } catch {
      failure = error
    }
    countHypercall("mmuext_op pin_l\(level)_table", page.address, nil, failure, &machine, cpu.index)
    if let failure {
      machine.diverge(
        expected: "Xen to accept the page \(page.address.hexadecimal) as a table of level \(level)",
        found: "error \(failure.result)")
    }
  }

  mutating func unpin(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    let frame = machine.physmap.machine(page)
    guard xen.frames[frame].isPinned else { return }
    var failure: XenError?
    do throws(XenError) {
      try xen.frames.unpin(frame, for: machine.domain, &machine)
      if let user = port.userBases[page], xen.frames[user].isPinned {
        try xen.frames.unpin(user, for: machine.domain, &machine)
      }
    } catch {
      failure = error
    }
    xen.flushForeign(&cpu, &machine)
    countHypercall("mmuext_op unpin_table", page.address, nil, failure, &machine, cpu.index)
  }

  /// `MMUEXT_NEW_BASEPTR` with the table that CR3 names, and with two base tables `MMUEXT_NEW_USER_BASEPTR`; a new one is
  /// registered and pinned before.
  mutating func loadBase(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    settle(&cpu, &machine)
    attachAll(&cpu, &machine)
    let page = cpu.registers.root
    register(page, level: 4, &cpu, &machine)
    let frame = machine.physmap.machine(page)
    if !xen.frames[frame].isPinned { pin(page, level: 4, &cpu, &machine) }
    var failure: XenError?
    do throws(XenError) {
      try xen.loadBase(frame, for: machine.domain, &cpu, &machine)
      // In one hypercall (Linux, `xen_write_cr3`).
      if let user = port.userBases[page] { try xen.loadUserBase(user, for: machine.domain, &cpu, &machine) }
    } catch {
      failure = error
    }
    xen.flushForeign(&cpu, &machine)
    countHypercall("mmuext_op new_baseptr", page.address, nil, failure, &machine, cpu.index)
    if let failure {
      machine.diverge(
        expected: "Xen to take \(page.address.hexadecimal) as base table", found: "error \(failure.result)")
    }
    cpu.root = xen.domains[machine.domain]?.bases[cpu.index] ?? frame
    if xen.frames.adjustsEntries {
      // A guest in ring 3 has no PCIDs, and its user pages are global: both went, as Xen turns CR4.PGE off and on
      // (`switch_cr3_cr4`).
      cpu.context = cpu.owner.raw
      cpu.flushAll()
    }
  }
}

extension MachineState {
  /// The physical address of a place in the guest's memory, nil for a port's extra table.
  func physicalAddress(_ place: MachineAddress) -> PhysicalAddress? {
    guard let page = physmap.physical(place.page) else { return nil }
    return PhysicalAddress(page.address.raw | place.offset)
  }
}
