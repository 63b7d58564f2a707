internal import Paging

/// The emulated TLB: one table a virtual CPU that caches translations as a very large TLB would.
///
/// It is filled on hidden faults and emptied where the guest flushes; no table of the guest's is traced. That is correct
/// because the architecture lets a TLB be stale until it is flushed: entries are made from present guest entries only,
/// with A set at the fill and no write right while D is clear.
struct EmulatedTLBBackend: ShadowingBackend, ~Copyable {
  private var contexts: [Int: Context] = [:]

  /// The table of one CPU.
  private struct Context {
    var root: MPN
    var pcid: UInt16
    /// Tables below the root, by level, in order of making.
    var tables: [(level: Int, frame: MPN)] = []
  }

  init(_ machine: inout MachineState) {}

  mutating func setRoot(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    let known = contexts[cpu.index]?.root
    let root = known ?? machine.allocateTable()
    if known == nil {
      contexts[cpu.index] = Context(root: root, pcid: cpu.registers.pcid)
      count(+1, &machine)
    }
    contexts[cpu.index]?.pcid = cpu.registers.pcid
    cpu.root = root
  }

  mutating func fill(
    _ walk: GuestWalk, _ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    var table = cpu.root
    for level in (2...walk.levels).reversed() {
      let place = table.entryAddress(address, level: level)
      var entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
      if !entry.isPresent { entry = PageTableEntry(frame: makeTable(level - 1, cpu.index, &machine), Self.link) }
      // So that INVLPG finds all parts of a large page: marked from its own level down.
      if level <= walk.size.level { entry = entry.setting(ShadowMark.fracture) }
      machine.memory.write(place, entry.raw)
      table = entry.frame
    }
    machine.memory.write(table.entryAddress(address, level: 1), leaf(for: walk, &machine).raw)
  }

  private static var link: EntryFlags { [.present, .writable, .user, .accessed] }

  /// The leaf has the rights of all the guest's levels, the tables above it grant everything.
  private func leaf(for walk: GuestWalk, _ machine: inout MachineState) -> PageTableEntry<MachineSpace> {
    var flags: EntryFlags = [.present, .accessed, .dirty]
    if walk.rights.isUser { flags.insert(.user) }
    if walk.rights.isNoExecute { flags.insert(.noExecute) }
    if walk.size > .small { flags.insert(ShadowMark.fracture) }
    if machine.settings.emulatedTLBKeepsGlobals && walk.leaf.isGlobal { flags.insert(.global) }
    if walk.rights.isWritable { flags.insert(walk.leaf.isDirty ? .writable : ShadowMark.readOnlyForDirty) }
    if flags.contains(.writable) && machine.traces.seesStores(to: walk.page) {
      flags.remove(.writable)
      flags.insert(ShadowMark.readOnlyForTrace)
    }
    return PageTableEntry(frame: machine.physmap.machine(walk.page), flags)
  }

  private mutating func makeTable(_ level: Int, _ cpu: Int, _ machine: inout MachineState) -> MPN {
    let frame = machine.allocateTable()
    contexts[cpu]?.tables.append((level, frame))
    count(+1, &machine)
    return frame
  }

  private func count(_ change: Int, _ machine: inout MachineState) {
    machine.counters.shadowPages = UInt64(Int(machine.counters.shadowPages) + change)
    machine.counters.shadowPagesPeak = max(machine.counters.shadowPagesPeak, machine.counters.shadowPages)
  }

  /// Empties the CPU's table, and the hardware's TLB with it.
  private mutating func dropAll(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard let context = contexts[cpu.index] else { return }
    machine.memory.clear(context.root)
    for table in context.tables { machine.physmap.free(table.frame) }
    count(-context.tables.count, &machine)
    contexts[cpu.index]?.tables = []
    cpu.flushAll()
  }

  /// Drops the leaves of the CPU's table that are not global.
  private func dropNonGlobal(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    for table in contexts[cpu.index]?.tables ?? [] where table.level == 1 {
      for index in 0..<512 {
        let place = table.frame.entryAddress(index: index)
        let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
        if entry.isPresent && !entry.isGlobal { machine.memory.write(place, 0) }
      }
    }
  }

  // MARK: The guest's flushes

  mutating func loadedCR3(keeps: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    machine.countExit(\.exitCR3, "cr3", cpu.registers.cr3, cpu.index)
    let changesContext = contexts[cpu.index]?.pcid != cpu.registers.pcid
    // The table holds one context: with another PCID it must be emptied even if the guest asks to keep its entries.
    if changesContext {
      dropAll(&cpu, &machine)
    } else if !keeps {
      if machine.settings.emulatedTLBKeepsGlobals && cpu.registers.hasGlobalPages {
        dropNonGlobal(&cpu, &machine)
      } else {
        dropAll(&cpu, &machine)
      }
    }
    setRoot(&cpu, &machine)
  }

  mutating func loadedControls(
    _ old: ControlRegisters, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    machine.countExit(\.exitOther, "control-register", 0, cpu.index)
    cpu.setHardwareControls(machine.hypervisorControls(for: cpu.registers))
    dropAll(&cpu, &machine)
    setRoot(&cpu, &machine)
  }

  mutating func invalidated(_ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    machine.countExit(\.exitInvlpg, "invlpg", address.raw, cpu.index)
    if address.isCanonical(levels: cpu.registers.levels) { drop(address, &cpu, &machine) }
  }

  mutating func invalidated(
    _ operation: PCIDInvalidation, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    machine.countExit(\.exitOther, "invpcid", 0, cpu.index)
    switch operation {
    case .address(let address, let pcid):
      if pcid == UInt64(cpu.registers.pcid) { drop(address, &cpu, &machine) }
    case .context(let pcid):
      if pcid == UInt64(cpu.registers.pcid) { dropAll(&cpu, &machine) }
    case .allContexts, .allContextsNonGlobal: dropAll(&cpu, &machine)
    }
  }

  /// Drops what the table holds of the guest's page at an address, however large that page is.
  private func drop(_ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    var table = cpu.root
    for level in (2...cpu.registers.levels).reversed() {
      let entry = PageTableEntry<MachineSpace>(machine.memory.read(table.entryAddress(address, level: level)))
      guard entry.isPresent else { return }
      if level <= PageSize.huge.level && entry.contains(ShadowMark.fracture) {
        dropFractures(entry.frame, level - 1, &machine)
        // The hardware has entries of the parts that no single INVLPG would drop.
        cpu.flushAll()
      }
      table = entry.frame
    }
    machine.memory.write(table.entryAddress(address, level: 1), 0)
  }

  private func dropFractures(_ table: MPN, _ level: Int, _ machine: inout MachineState) {
    for index in 0..<512 {
      let place = table.entryAddress(index: index)
      let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
      guard entry.isPresent, entry.contains(ShadowMark.fracture) else { continue }
      if level == 1 { machine.memory.write(place, 0) } else { dropFractures(entry.frame, level - 1, &machine) }
    }
  }
}
