internal import Paging

extension EmulatedTLBBackend {
  mutating func fill(
    _ walk: GuestWalk, _ address: VirtualAddress, for access: Access, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) {
    var table = cpu.root
    let id = context(of: cpu)
    let isPAE = cpu.hardwareControls.levels == 3
    for level in (2...cpu.hardwareControls.levels).reversed() {
      let place = table.entryAddress(address, level: level)
      var entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
      let isPointer = isPAE && level == 3
      if !entry.isPresent {
        entry = PageTableEntry(frame: makeTable(level - 1, id, &machine), isPointer ? .present : Self.link)
      }
      // So that INVLPG finds all parts of a large page: marked from its own level down.
      if level <= walk.size.level { entry = entry.setting(ShadowMark.fracture) }
      machine.memory.write(place, entry.raw)
      if isPointer { cpu.pointers[Int(address.raw >> 30 & 3)] = entry.raw }
      table = entry.frame
    }
    let place = table.entryAddress(address, level: 1)
    let old = PageTableEntry<MachineSpace>(machine.memory.read(place))
    let new = leaf(for: walk, access, cpu, &machine)
    if old.isWritable && (old.frame != new.frame || !new.isWritable) { lostLeaves = machine.flushClock + 1 }
    if capacity > 0 && !old.isPresent { enqueue(place, address.page, id, &cpu, &machine) }
    machine.memory.write(place, new.raw)
  }

  private static var link: EntryFlags { [.present, .writable, .user, .accessed] }

  /// The leaf has the rights of all the guest's levels, the tables above it grant everything.
  private func leaf(
    for walk: GuestWalk, _ access: Access, _ cpu: borrowing VirtualCPU, _ machine: inout MachineState
  ) -> PageTableEntry<MachineSpace> {
    var flags: EntryFlags = [.present, .accessed, .dirty]
    if walk.rights.isUser { flags.insert(.user) }
    if walk.rights.isNoExecute { flags.insert(.noExecute) }
    if access.isStore && !walk.rights.isWritable && machine.turnsEntries(cpu) { flags = turned(flags, cpu) }
    if walk.size > .small { flags.insert(ShadowMark.fracture) }
    if machine.settings.emulatedTLBKeepsGlobals && walk.leaf.isGlobal { flags.insert(.global) }
    if walk.rights.isWritable { flags.insert(walk.leaf.isDirty ? .writable : ShadowMark.readOnlyForDirty) }
    if flags.contains(.writable) && machine.traces.seesStores(to: walk.page) {
      flags.remove(.writable)
      flags.insert(ShadowMark.readOnlyForTrace)
    }
    return PageTableEntry(frame: machine.frameToMap(walk.page), flags)
  }

  /// What a read-only page's leaf grants instead while CR0.WP is clear: stores of the supervisor's, and nothing to the
  /// user. With SMEP it must still not be executed by the supervisor.
  private func turned(_ flags: EntryFlags, _ cpu: borrowing VirtualCPU) -> EntryFlags {
    guard flags.contains(.user) else { return flags.union(.writable) }
    let turned = flags.subtracting(.user).union([.writable, ShadowMark.turned])
    return cpu.registers.hasSMEP ? turned.union(.noExecute) : turned
  }

  private mutating func makeTable(_ level: Int, _ id: ContextID, _ machine: inout MachineState) -> MPN {
    let frame = machine.allocateTable()
    contexts[id]?.tables.append((level, frame))
    count(+1, &machine)
    return frame
  }

  /// Puts a new leaf in the queue; the oldest goes, and with it what the hardware has of it, until there is room.
  private mutating func enqueue(
    _ place: MachineAddress, _ page: VPN, _ id: ContextID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    var queue = queues.removeValue(forKey: cpu.index) ?? LeafQueue()
    while queue.count >= capacity, let oldest = queue.removeOldest() {
      machine.memory.write(oldest.place, 0)
      machine.counters.emulatedTLBEvicted += 1
      cpu.invalidate(oldest.page)
      if oldest.tag != id.tag { cpu.invalidate(oldest.page, pcid: UInt64(oldest.tag)) }
    }
    queue.insert(place, of: page, tag: id.tag)
    queues[cpu.index] = queue
  }

  /// Takes every writable leaf of a page out, in all tables: nobody has written down where they are.
  mutating func protect(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard machine.isBacked(page) else { return }
    let frame = machine.frame(of: page)
    var hasLostRight = lostLeaves == machine.flushClock + 1
    for context in contexts.values {
      for table in context.tables where table.level == 1 {
        for index in 0..<512 {
          let place = table.frame.entryAddress(index: index)
          let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
          guard entry.isPresent, entry.isWritable, entry.frame == frame else { continue }
          machine.memory.write(place, entry.clearing(.writable).setting(ShadowMark.readOnlyForTrace).raw)
          hasLostRight = true
        }
      }
    }
    if hasLostRight { machine.flushAllCPUs(&cpu) }
  }

  /// No leaf lets a store reach a watched page, and there are no more leaves than there may be.
  borrowing func violatedInvariant(_ cpu: borrowing VirtualCPU, _ machine: inout MachineState) -> String? {
    if machine.mapsGuardedRange(cpu) { return "the monitor's range is mapped" }
    if capacity > 0, let queue = queues[cpu.index], queue.count > capacity { return "\(queue.count) leaves" }
    for context in contexts.values {
      for table in context.tables where table.level == 1 {
        for index in 0..<512 {
          let entry = PageTableEntry<MachineSpace>(machine.memory.read(table.frame.entryAddress(index: index)))
          guard entry.isPresent else { continue }
          guard let page = machine.pages(of: entry.frame).first else { return "a leaf of no page of the guest's" }
          let protection = machine.traces.protection(of: page)
          if protection == .notPresent || entry.isWritable && protection != .none {
            return "leaf \(String(entry.raw, radix: 16)) of a watched page, index \(index)"
          }
        }
      }
    }
    return nil
  }
}
