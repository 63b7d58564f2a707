internal import Paging

/// What the memory traces ask of the mappings there are.
extension ShadowingBackend where Self: ~Copyable {
  /// The hypervisor sees an access to a watched page, and has not carried it out yet.
  mutating func begin(
    _ address: PhysicalAddress, isStore: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    // The page gets another frame: no mapping, and no TLB, may lead to the old one.
    if isStore && machine.isShared(address.page) { dropMappings(of: address.page, &cpu, &machine) }
    machine.beginTraced(address, isStore: isStore)
  }

  mutating func switchTraces(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    for (page, client, moments) in machine.wantedTraces() {
      let old =
        machine.areTracesOn
        ? machine.traces.watch(page, moments, for: client) : machine.traces.unwatch(page, for: client)
      follow(page, from: old, &cpu, &machine)
    }
    machine.counters.tracedPagesPeak = UInt64(machine.traces.pagesPeak)
  }

  /// The protection of a page was another until now: its mappings follow.
  private mutating func follow(
    _ page: PPN, from old: PageProtection, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    switch (old, machine.traces.protection(of: page)) {
    case (.none, .readOnly): protect(page, &cpu, &machine)
    case (.none, .notPresent), (.readOnly, .notPresent): dropMappings(of: page, &cpu, &machine)
    case (.readOnly, .none), (.notPresent, .none): unprotected(page, &cpu, &machine)
    // What is mapped is the same, or has been made for less than is allowed now.
    default: break
    }
  }
}
