internal import Paging

/// Plain stores to a table that Xen has detached (`direct.stores=detach`).
extension DirectBackend {
  /// A store of the kernel's to a level-1 table has faulted. Returns whether the table is detached now, so that the store
  /// may be made; else Xen emulates it.
  mutating func detaches(
    _ page: PPN, _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Bool {
    let frame = machine.physmap.machine(page)
    guard machine.settings.direct.stores == .detach, !fault.access.isUser, xen.frames[frame].kind == .l1,
      let mapping = mapping(of: fault.address, cpu, machine)
    else { return false }
    guard let place = xen.place(of: frame, for: fault.address, cpu, machine) else {
      // Another CPU may be at one of them.
      if (xen.domains[machine.domain]?.bases.count ?? 0) > 1 { attachAll(&cpu, &machine) }
      return false
    }
    attach(place.role, &cpu, &machine)
    guard xen.frames[frame].isTable, !xen.detached.wasInVain(place.role) else { return false }
    xen.detach(frame, as: place.role, place.link, through: fault.address, mapping, &cpu, &machine)
    machine.counters.tablesDetached += 1
    machine.countComparison()
    return true
  }

  /// The level-1 entry by which the hardware translates an address, nil if there is none.
  private func mapping(
    of address: VirtualAddress, _ cpu: borrowing VirtualCPU, _ machine: borrowing MachineState
  ) -> MachineAddress? {
    var table = cpu.root
    for level in stride(from: 4, to: 1, by: -1) {
      let entry = PageTableEntry<MachineSpace>(machine.memory.read(table.entryAddress(address, level: level)))
      guard entry.pointsToTable(level: level) else { return nil }
      table = entry.frame
    }
    return table.entryAddress(address, level: 1)
  }

  /// The address is one that the active table maps: it is attached again, and the walk may be made once more.
  mutating func attachesTouched(
    _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Bool {
    guard xen.detached.hides(fault.address) else { return false }
    machine.count(.fill, fault, nil, cost: machine.description.costs.fill, cpu.index)
    attach(.active, &cpu, &machine)
    return true
  }

  /// Every hypercall about tables begins with all of them attached, and with what devices have done by then.
  mutating func attachAll(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    completeTransfers(&cpu, &machine)
    guard !xen.detached.isEmpty else { return }
    for role in DetachedTables.Role.allCases { attach(role, &cpu, &machine) }
  }

  private mutating func attach(
    _ role: DetachedTables.Role, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    guard let result = xen.attach(role, &cpu, &machine) else { return }
    machine.countComparison()
    machine.counters.detachedUpdates += UInt64(result.changed)
    countUpdates(result.changed, refused: result.refused == nil ? 0 : 1, &machine)
    if result.refused != nil { letGo(result, &cpu, &machine) }
  }

  /// Xen has refused an entry, and put the old ones back from there on. The page was no table any more, if it can be let
  /// go of, and the stores were ordinary ones; else Xen crashes the domain.
  private mutating func letGo(
    _ result: Xen.Reattachment, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    guard let refused = result.refused, let page = machine.physmap.physical(result.table.frame) else { return }
    var wanted: [(place: MachineAddress, word: UInt64)] = []
    for (index, word) in zip(refused.index..., refused.words) {
      let (place, old) = (result.table.frame.entryAddress(index: index), result.table.snapshot[index])
      guard word != old else { continue }
      wanted.append((place, guestEntry(PageTableEntry(word), level: 1, at: place, machine)))
      forget(PageTableEntry(word), level: 1, at: place, &machine)
      port.setWanted(nil, at: place)
      note(PageTableEntry(old), level: 1, at: place, machine)
    }
    unregister(page, &cpu, &machine)
    guard port.isRegistered(page) else {
      for (place, word) in wanted { machine.memory.write(place, word) }
      return
    }
    machine.diverge(
      expected: "Xen to accept what was stored to the table \(page.address.hexadecimal) while it was detached",
      found: "error \(refused.error.result) for entry \(refused.index): the domain crashes")
  }

  /// A store to a detached table: an ordinary one, of which Xen hears nothing. Returns false if the table is none.
  mutating func storesDetached(
    _ store: TableStore, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Bool {
    guard !xen.detached.isEmpty else { return false }
    let place = machine.physmap.machine(store.address)
    guard xen.detached.role(of: place.page) != nil else { return false }
    let old = PageTableEntry<MachineSpace>(machine.memory.read(place))
    port.setWithheld(false, at: place)
    let new = translate(PageTableEntry(store.value), level: 1, at: place, &cpu, &machine)
    machine.memory.write(place, new.raw)
    unmap(old, level: 1, at: place, &machine)
    machine.counters.detachedStores += 1
    return true
  }

  mutating func finish(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    completeTransfers(isLast: true, &cpu, &machine)
    attachAll(&cpu, &machine)
  }

  /// A store through a mapping that nobody knows: it faults there, and is emulated.
  mutating func sawStore(to address: PhysicalAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    attachAll(&cpu, &machine)
    machine.count(.trace, nil, address.page, cost: machine.description.costs.emulation, cpu.index)
  }
}

extension MachineState {
  /// Books a copy of a table, or a comparison with one: a look at each of its 64 lines of 8 entries.
  fileprivate mutating func countComparison() {
    counters.entriesExamined += 512
    counters.cycles.examine += 64 * description.costs.examine
  }
}
