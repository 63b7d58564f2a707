internal import Paging

/// Memory traces: rights that the nested table withholds, by page, whatever the virtual address.
extension NestedBackend {
  /// The traces that the settings ask for begin, or end, while pages are mapped: their entries follow.
  mutating func switchTraces(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    var hasChanged = false
    for (page, client, moments) in machine.wantedTraces() {
      let old =
        machine.areTracesOn
        ? machine.traces.watch(page, moments, for: client) : machine.traces.unwatch(page, for: client)
      let new = machine.traces.protection(of: page)
      if new == .none {
        if old != .none { unprotected(page, &cpu, &machine) }
        continue
      }
      hasChanged = table.isolate(page, &machine) || hasChanged
      hasChanged = table.adjust(page, &machine) || hasChanged
    }
    machine.counters.tracedPagesPeak = UInt64(machine.traces.pagesPeak)
    if hasChanged { machine.flushAllCPUs(&cpu) }
  }

  /// An access to a watched page has been seen, and is not carried out yet. The page may get another frame by that.
  private mutating func begin(
    _ address: PhysicalAddress, isStore: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    let old = machine.frame(of: address.page)
    machine.beginTraced(address, isStore: isStore)
    guard machine.frame(of: address.page) != old else { return }
    table.fill(address.page, upTo: .small, &machine)
    machine.flushAllCPUs(&cpu)
  }

  /// The guest's access to a page that somebody watches.
  mutating func resolveTraced(
    _ fault: HardwareFault, _ nested: NestedFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution {
    let (page, costs) = (nested.place.page, machine.description.costs)
    begin(nested.place, isStore: fault.access.isStore, &cpu, &machine)
    let isFree = NestedRights(machine.traces.protection(of: page)).isSuperset(of: nested.needed)
    machine.count(.trace, fault, page, cost: isFree ? costs.fill : costs.emulation, cpu.index)
    // Other kinds of access may pass from now on.
    table.fill(page, upTo: limit(machine), &machine)
    // The last watch on the page has ended with the call.
    if machine.traces.protection(of: page) == .none { unprotected(page, &cpu, &machine) }
    return isFree ? .retry : emulate(fault, &cpu, &machine)
  }

  /// The walker's access to a page of the guest's tables that somebody watches. Only the dirty log hears of it, as under
  /// shadow paging, where the hypervisor reads the tables and sets A and D itself. For the others it does so here.
  mutating func resolveTracedTable(
    _ fault: HardwareFault, _ nested: NestedFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution {
    let (page, costs) = (nested.place.page, machine.description.costs)
    let others = NestedRights(machine.traces.protectionBesideLog(of: page))
    // Where others watch, the walker makes no access to the page at all.
    if nested.needed.contains(.write) && others.isSuperset(of: nested.needed) { machine.logWalkersStore(to: page) }
    let allowed = NestedRights(machine.traces.protection(of: page))
    table.fill(page, upTo: limit(machine), &machine)
    if allowed.isSuperset(of: nested.needed) {
      machine.count(.trace, fault, page, cost: costs.fill, cpu.index)
      return .retry
    }
    machine.count(.trace, fault, page, cost: costs.emulation, cpu.index)
    // Once A and D are set, a walk that only reads will do.
    if !table.rules.hasAccessedDirty && allowed.contains(.read) {
      if case .translated(var walk) = machine.walkGuest(fault.address, fault.access, cpu) {
        machine.setAccessed(&walk, fault.address, for: fault.access, cpu)
        return .retry
      }
    }
    return emulate(fault, &cpu, &machine)
  }

  /// The hypervisor carries an access out itself, as the guest's tables are now.
  private mutating func emulate(
    _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution {
    switch machine.walkGuest(fault.address, fault.access, cpu) {
    case .fault(let code): return .deliver(PageFault(address: fault.address, code: code))
    case .translated(var walk):
      machine.setAccessed(&walk, fault.address, for: fault.access, cpu)
      if fault.nested?.isFinal == false { noteUnchecked(walk.page, fault, &cpu, &machine) }
      if fault.access.isStore { machine.markStored(walk.page) }
      return .emulated(walk.page)
    }
  }

  /// The walk did not come as far as the page itself, which somebody may watch too.
  private mutating func noteUnchecked(
    _ page: PPN, _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    let protection = machine.traces.protection(of: page)
    guard !machine.isDevice(page), fault.access.isStore ? protection != .none : protection == .notPresent else {
      return
    }
    begin(
      PhysicalAddress(page.address.raw | fault.address.offset), isStore: fault.access.isStore, &cpu, &machine)
    if machine.traces.protection(of: page) == .none { unprotected(page, &cpu, &machine) }
  }

  /// Nobody watches a page any more: it gets back what was withheld, and the page around it may be whole again.
  private mutating func unprotected(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    // More rights need no INVEPT: a violation by an old entry drops it.
    table.fill(page, upTo: .small, &machine)
    if table.join(around: page, upTo: limit(machine), &machine) { machine.flushAllCPUs(&cpu) }
  }

  mutating func sawStore(to address: PhysicalAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    begin(address, isStore: true, &cpu, &machine)
    if machine.traces.protection(of: address.page) == .none { unprotected(address.page, &cpu, &machine) }
    machine.count(.trace, nil, address.page, cost: machine.description.costs.emulation, cpu.index)
  }

  mutating func stored(_ store: TableStore, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    _ = machine.endTracedStore(store.address)
  }

  mutating func storedUnknown(
    _ address: PhysicalAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    _ = machine.endTracedStore(address)
  }
}
