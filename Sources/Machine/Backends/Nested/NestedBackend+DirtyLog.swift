internal import Paging

/// Dirty logging by the nested table: its rights, its D bits, or the log that the hardware keeps of these.
extension NestedBackend {
  static func dirtyLogProblem(_ settings: Settings) -> String? {
    let (method, nested) = (settings.dirtyLog.method, settings.nested)
    let name = "dirty-log.method=\(method.rawValue)"
    if method == .modificationLog && nested.format == .npt {
      return name + " with nested.format=npt: the page-modification log is EPT's; expected write-protect or d-bit"
    }
    if method != .writeProtection && nested.format == .ept && !nested.hasAccessedDirty {
      return name + " with nested.ad=off, which sets no D bits: expected nested.ad=on, or write-protect"
    }
    return nil
  }

  /// Every large page is split at once, so that what is dirtied is known by 4 KiB (KVM's eager page splitting), and no
  /// store passes unseen: D goes, or the right to write.
  mutating func beganDirtyLog(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    var hasChanged = false
    for leaf in table.leaves(machine) where leaf.size > .small { splitWhole(leaf, &machine) }
    for leaf in table.leaves(machine) {
      let now =
        machine.dirtyLog.usesDirtyBits
        ? leaf.entry & ~table.rules.format.dirty
        : table.rules.setting(
          leaf.rights.intersection(NestedRights(machine.traces.protection(of: leaf.first))), in: leaf.entry)
      machine.memory.write(leaf.place, now)
      hasChanged = true
    }
    if hasChanged { machine.flushAllCPUs(&cpu) }
  }

  private mutating func splitWhole(_ leaf: NestedLeaf, _ machine: inout MachineState) {
    // A piece that is still large is split in its turn.
    let step = PageSize.large.pages
    for first in stride(from: leaf.first.raw, to: leaf.first.raw + leaf.size.pages, by: Int(step)) {
      _ = table.isolate(PPN(first), &machine)
    }
  }

  /// Each CPU leaves the guest; what it has logged is collected, rights or D bits go back, and if any did, all CPUs must
  /// forget what they knew (INVEPT).
  mutating func harvestDirtyLog(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    var hasChanged = false
    switch machine.dirtyLog.settings.method {
    case .none: break
    case .writeProtection:
      for page in machine.watchReleased() where table.adjust(page, &machine) { hasChanged = true }
    case .dirtyBits: hasChanged = harvestDirtyBits(&machine)
    case .modificationLog:
      for index in machine.dirtyLog.modificationLogs.keys.sorted() { machine.emptyModificationLog(index) }
      for page in machine.dirtyLog.logged.sorted() where clearDirty(PPN(page), &machine) { hasChanged = true }
    }
    if hasChanged { machine.flushAllCPUs(&cpu) }
  }

  private func harvestDirtyBits(_ machine: inout MachineState) -> Bool {
    var hasChanged = false
    let leaves = table.leaves(machine)
    machine.countLogged(entries: leaves.count)
    for leaf in leaves where leaf.entry & table.rules.format.dirty != 0 {
      machine.dirtyLog.insert(leaf.first)
      machine.memory.write(leaf.place, leaf.entry & ~table.rules.format.dirty)
      hasChanged = true
    }
    return hasChanged
  }

  private func clearDirty(_ page: PPN, _ machine: inout MachineState) -> Bool {
    guard let (place, _) = table.leaf(of: page, machine) else { return false }
    let entry = machine.memory.read(place)
    machine.memory.write(place, entry & ~table.rules.format.dirty)
    return entry & table.rules.format.dirty != 0
  }

  /// Rights come back, and pages are whole again where they may be.
  mutating func endedDirtyLog(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    var hasJoined = false
    for leaf in table.leaves(machine) {
      _ = table.adjust(leaf.first, &machine)
      // The leaf may have gone with others by now.
      hasJoined = table.join(around: leaf.first, upTo: limit(machine), &machine) || hasJoined
    }
    if hasJoined { machine.flushAllCPUs(&cpu) }
  }

  /// The hardware had no room in the log: an exit that empties it, and the access is made again.
  mutating func resolveLogFull(_ cpu: inout VirtualCPU, _ machine: inout MachineState) -> Resolution {
    machine.counters.modificationLogFull += 1
    machine.counters.dirtyLogExits += 1
    let cycles = machine.description.costs.exit + machine.description.costs.intercept
    machine.counters.dirtyLogCycles += cycles
    machine.countExit(\.exitOther, "pml-full", 0, cpu.index)
    machine.emptyModificationLog(cpu.index)
    if !machine.settings.nested.hasVPID {
      cpu.crossedWithoutVPID()
      machine.counters.exitFlushes += 1
    }
    return .retry
  }
}

extension MachineState {
  /// The hardware logs a page whose D it is about to set. Returns whether there was room.
  mutating func logModification(of page: PPN, _ cpu: Int) -> Bool {
    if dirtyLog.modificationLogs[cpu] == nil {
      dirtyLog.modificationLogs[cpu] = ModificationLog(frame: allocateTable())
    }
    guard dirtyLog.modificationLogs[cpu]?.isFull == false else { return false }
    dirtyLog.modificationLogs[cpu]?.append(page, &memory)
    return true
  }

  /// The hypervisor takes over what a CPU has logged.
  mutating func emptyModificationLog(_ cpu: Int) {
    let pages = dirtyLog.modificationLogs[cpu]?.take(memory) ?? []
    countLogged(entries: pages.count)
    for page in pages { dirtyLog.insert(page) }
  }
}
