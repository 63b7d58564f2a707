internal import Paging

/// What the monitor's hiding place and its translator ask of tables that it makes.
extension ShadowingBackend where Self: ~Copyable {
  borrowing func guards(
    _ walk: GuestWalk, _ address: VirtualAddress, _ cpu: borrowing VirtualCPU, _ machine: borrowing MachineState
  ) -> Bool {
    machine.guardedRange?.contains(address) ?? false
  }

  /// An access that the guest's tables allow, to a range that is never mapped: the monitor carries it out itself.
  mutating func resolveGuarded(
    _ walk: GuestWalk, _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution {
    let protection = machine.traces.protection(of: walk.page)
    let isSeen = fault.access.isStore ? protection != .none : protection == .notPresent
    if isSeen && !machine.isDevice(walk.page) {
      begin(
        PhysicalAddress(walk.page.address.raw | fault.address.offset), isStore: fault.access.isStore, &cpu, &machine)
      if machine.traces.protection(of: walk.page) == .none { unprotected(walk.page, &cpu, &machine) }
    }
    machine.counters.causeMonitor += 1
    machine.count(.other, fault, walk.page, cost: machine.description.costs.emulation, cpu.index)
    return .emulated(walk.page)
  }

  /// A store to a watched page has been carried out: who wants to be called after it is.
  mutating func endTraced(_ address: PhysicalAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard machine.endTracedStore(address) else { return }
    // The next fetch must be seen, for the translator has to come to that code again.
    machine.flushAllCPUs(&cpu)
    if machine.traces.protection(of: address.page) == .none { unprotected(address.page, &cpu, &machine) }
  }

  mutating func translated(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard !machine.isDevice(page), machine.traces.moments(of: .translations, page).isEmpty else { return }
    machine.counters.pagesTranslated += 1
    let before = machine.traces.watch(page, .afterWrite, for: .translations)
    machine.counters.tracedPagesPeak = UInt64(machine.traces.pagesPeak)
    if before == .none { protect(page, &cpu, &machine) }
  }
}

extension MachineState {
  /// Whether the hardware, on its way down from the CPU's root, finds an entry for any part of the guarded range.
  func mapsGuardedRange(_ cpu: borrowing VirtualCPU) -> Bool {
    guard let range = guardedRange, cpu.hasStarted else { return false }
    let isPAE = cpu.hardwareControls.levels == 3
    if isPAE && (range.first.raw >> 20 != 0 || range.level > 3) { return false }
    if isPAE && range.level == 3 { return range.indices(level: 3).contains { cpu.pointers[$0] & 1 == 1 } }
    guard let top = cpu.top(range.first.address) else { return false }
    var table = top.table
    for level in stride(from: top.level, to: range.level, by: -1) {
      let entry = PageTableEntry<MachineSpace>(memory.read(table.entryAddress(range.first.address, level: level)))
      guard entry.isPresent else { return false }
      if entry.isLeaf(level: level) { return true }
      table = entry.frame
    }
    return range.indices(level: range.level).contains { memory.read(table.entryAddress(index: $0)) & 1 == 1 }
  }
}
