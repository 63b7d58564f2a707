internal import Paging

extension EmulatedTLBBackend {
  /// Empties a table, and the hardware's TLB with it.
  mutating func dropAll(_ id: ContextID, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard let context = contexts[id] else { return }
    machine.memory.clear(context.root)
    for table in context.tables { machine.freeOwnFrame(table.frame) }
    count(-context.tables.count, &machine)
    contexts[id]?.tables = []
    queues[id.cpu]?.removeAll(tag: id.tag)
    loadPointers(&cpu, machine)
    cpu.flushAll()
  }

  mutating func dropAllContexts(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    for id in contexts(of: cpu.index) { dropAll(id, &cpu, &machine) }
  }

  /// Drops the leaves of a table that are not global.
  mutating func dropNonGlobal(_ id: ContextID, _ machine: inout MachineState) {
    for table in contexts[id]?.tables ?? [] where table.level == 1 {
      for index in 0..<512 {
        let place = table.frame.entryAddress(index: index)
        let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
        if entry.isPresent && !entry.isGlobal { dropLeaf(place, id, &machine) }
      }
    }
  }

  /// Drops what a table holds of the guest's page at an address, however large that page is.
  mutating func drop(
    _ address: VirtualAddress, _ id: ContextID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    if let leaf = dropLarge(address, id, &cpu, &machine) { dropLeaf(leaf, id, &machine) }
    guard cpu.guestControls.hasNarrowEntries else { return }
    _ = dropLarge(VirtualAddress(address.raw ^ 0x20_0000), id, &cpu, &machine)
  }

  /// Drops the parts of larger pages in the 2 MiB, or 1 GiB, that hold an address; returns where its leaf is, or would be.
  private mutating func dropLarge(
    _ address: VirtualAddress, _ id: ContextID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> MachineAddress? {
    guard var table = contexts[id]?.root else { return nil }
    for level in (2...cpu.hardwareControls.levels).reversed() {
      let entry = PageTableEntry<MachineSpace>(machine.memory.read(table.entryAddress(address, level: level)))
      guard entry.isPresent else { return nil }
      if level <= PageSize.huge.level && entry.contains(ShadowMark.fracture) {
        dropFractures(entry.frame, level - 1, id, &machine)
        // The hardware has entries of the parts that no single INVLPG would drop.
        cpu.flushAll()
      }
      table = entry.frame
    }
    return table.entryAddress(address, level: 1)
  }

  private mutating func dropFractures(_ table: MPN, _ level: Int, _ id: ContextID, _ machine: inout MachineState) {
    for index in 0..<512 {
      let place = table.entryAddress(index: index)
      let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
      guard entry.isPresent, entry.contains(ShadowMark.fracture) else { continue }
      if level == 1 {
        dropLeaf(place, id, &machine)
      } else {
        dropFractures(entry.frame, level - 1, id, &machine)
      }
    }
  }

  mutating func dropLeaves(of page: PPN, _ machine: inout MachineState) {
    guard machine.isBacked(page) else { return }
    let frame = machine.frame(of: page)
    for (id, context) in contexts {
      for table in context.tables where table.level == 1 {
        for index in 0..<512 {
          let place = table.frame.entryAddress(index: index)
          let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
          if entry.isPresent && entry.frame == frame { dropLeaf(place, id, &machine) }
        }
      }
    }
  }

  private mutating func dropLeaf(_ place: MachineAddress, _ id: ContextID, _ machine: inout MachineState) {
    let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
    guard entry.isPresent else { return }
    if entry.isWritable { lostLeaves = machine.flushClock + 1 }
    machine.memory.write(place, 0)
    if capacity > 0 { queues[id.cpu]?.remove(place) }
  }
}

/// Nobody has written down where a page is mapped, so rights are taken by emptying all tables, as the guest's flushes do.
extension EmulatedTLBBackend {
  mutating func beganDirtyLog(_ cpu: inout VirtualCPU, _ machine: inout MachineState) { dropEverything(&cpu, &machine) }

  mutating func harvestDirtyLog(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    if !machine.watchReleased().isEmpty { dropEverything(&cpu, &machine) }
  }

  private mutating func dropEverything(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    for id in contexts.keys.sorted(by: { ($0.cpu, $0.tag) < ($1.cpu, $1.tag) }) { dropAll(id, &cpu, &machine) }
    machine.flushAllCPUs(&cpu)
  }
}
