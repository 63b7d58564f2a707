internal import Paging

/// The emulated TLB: one table a virtual CPU that caches translations as a very large TLB would, or one for each of its
/// PCIDs.
///
/// It is filled on hidden faults and emptied where the guest flushes; no table of the guest's is traced. That is correct
/// because the architecture lets a TLB be stale until it is flushed: entries are made from present guest entries only,
/// with A set at the fill and no write right while D is clear.
struct EmulatedTLBBackend: ShadowingBackend, ~Copyable {
  var contexts: [ContextID: Context] = [:]
  /// The leaves of each CPU, if their number is limited.
  var queues: [Int: LeafQueue] = [:]
  let capacity: Int
  private let hasTags: Bool
  /// ``MachineState/flushClock`` plus 1 when a leaf last went that the hardware may still have.
  var lostLeaves: UInt64 = 0

  /// Names a table: of a CPU, and of a PCID if the tables are tagged, otherwise 0.
  struct ContextID: Hashable {
    var cpu: Int
    var tag: UInt16
  }

  struct Context {
    var root: MPN
    var pcid: UInt16
    /// Tables below the root, by level, in order of making.
    var tables: [(level: Int, frame: MPN)] = []
  }

  init(_ machine: inout MachineState) {
    capacity = machine.settings.emulatedTLBCapacity
    hasTags = machine.settings.emulatedTLBHasTags
  }

  /// The table that a CPU runs on.
  func context(of cpu: borrowing VirtualCPU) -> ContextID { context(of: cpu.index, pcid: cpu.registers.pcid) }

  private func context(of cpu: Int, pcid: UInt16) -> ContextID { ContextID(cpu: cpu, tag: hasTags ? pcid : 0) }

  /// All tables of a CPU, in order.
  func contexts(of cpu: Int) -> [ContextID] {
    contexts.keys.filter { $0.cpu == cpu }.sorted { $0.tag < $1.tag }
  }

  mutating func setRoot(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    let id = context(of: cpu)
    let known = contexts[id]?.root
    let root = known ?? machine.allocateTable()
    if known == nil {
      contexts[id] = Context(root: root, pcid: cpu.registers.pcid)
      count(+1, &machine)
    }
    contexts[id]?.pcid = cpu.registers.pcid
    cpu.root = root
    loadPointers(&cpu, machine)
  }

  /// With PAE paging the root holds the four pointers that the processor loads.
  func loadPointers(_ cpu: inout VirtualCPU, _ machine: borrowing MachineState) {
    guard cpu.hardwareControls.levels == 3 else { return }
    for index in 0..<4 { cpu.pointers[index] = machine.memory.read(cpu.root.entryAddress(index: index)) }
  }

  func count(_ change: Int, _ machine: inout MachineState) { machine.noteShadowPages(change) }

  // MARK: The guest's flushes

  mutating func loadedCR3(keeps: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    machine.countExit(\.exitCR3, "cr3", cpu.registers.cr3, cpu.index)
    let id = context(of: cpu)
    // A table holds one PCID: with another it must be emptied even if the guest asks to keep its entries.
    if let known = contexts[id], known.pcid != cpu.registers.pcid {
      dropAll(id, &cpu, &machine)
    } else if !keeps {
      if machine.settings.emulatedTLBKeepsGlobals && cpu.registers.hasGlobalPages {
        dropNonGlobal(id, &machine)
      } else {
        dropAll(id, &cpu, &machine)
      }
    }
    setRoot(&cpu, &machine)
  }

  mutating func loadedControls(
    _ old: ControlRegisters, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    machine.countExit(\.exitOther, "control-register", 0, cpu.index)
    cpu.setHardwareControls(machine.hypervisorControls(for: cpu.registers))
    dropAllContexts(&cpu, &machine)
    setRoot(&cpu, &machine)
  }

  mutating func invalidated(_ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    machine.countExit(\.exitInvlpg, "invlpg", address.raw, cpu.index)
    guard address.isCanonical(levels: cpu.registers.levels) else { return }
    // A global page may be in any of them, and more than what must be dropped may always be.
    for id in contexts(of: cpu.index) { drop(address, id, &cpu, &machine) }
  }

  mutating func invalidated(
    _ operation: PCIDInvalidation, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    machine.countExit(\.exitOther, "invpcid", 0, cpu.index)
    switch operation {
    case .address(let address, let pcid):
      if let id = holder(of: pcid, cpu.index) { drop(address, id, &cpu, &machine) }
    case .context(let pcid):
      if let id = holder(of: pcid, cpu.index) { dropAll(id, &cpu, &machine) }
    case .allContexts, .allContextsNonGlobal: dropAllContexts(&cpu, &machine)
    }
  }

  /// The table that has the translations of a PCID, if one does.
  private func holder(of pcid: UInt64, _ cpu: Int) -> ContextID? {
    let id = context(of: cpu, pcid: UInt16(truncatingIfNeeded: pcid))
    return contexts[id].map { UInt64($0.pcid) == pcid } == true ? id : nil
  }
}
