import Paging

@testable import Machine

/// The guest's physical memory is one segment of machine memory. The hardware walks the guest's own tables and adds the
/// segment's base to each physical address, where nested paging would walk a table: "VMM Direct" of Gandhi et al.,
/// "Efficient Memory Virtualization", MICRO 2014.
struct SegmentBackend: Backend, ~Copyable {
  init(_ machine: inout MachineState) {}

  mutating func start(_ cpu: inout VirtualCPU, _ machine: inout MachineState, isFirst: Bool) {
    machine.notePeaks()
  }

  mutating func walk(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> WalkOutcome {
    machine.counters.walks += 1
    let controls = cpu.guestControls
    var (table, level, rights) = (cpu.registers.root, controls.levels, Rights.all)
    var path = WalkPath(top: level)
    while true {
      // The base is added here; `physmap` knows it.
      let place = machine.physmap.machine(table).entryAddress(address, level: level)
      let entry = PageTableEntry<PhysicalSpace>(machine.readGuestEntry(at: place, level: level))
      var code = PageFaultCode(access, under: controls)
      guard entry.isPresent else { return refuse(address, access, code) }
      code.insert(.present)
      guard entry.reservedBits(level: level, under: controls) == 0 else {
        return refuse(address, access, code.union(.reserved))
      }
      rights = rights.combined(with: Rights(entry))
      path.append(level, place, PageTableEntry(entry.raw), rights)
      if entry.isLeaf(level: level) { break }
      (table, level) = (entry.frame, level - 1)
    }
    guard rights.permits(access, under: controls) else {
      return refuse(address, access, PageFaultCode(access, under: controls).union(.present))
    }
    // Only now are A and D set: a walk that faults changes nothing.
    let leaf = path.complete(access, memory: &machine.memory)
    guard let size = PageSize(level: level) else { preconditionFailure("a leaf at level \(level)") }
    let first = machine.physmap.machine(PPN(leaf.frame(of: size).raw))
    return .translated(
      Translation(
        frame: first, size: size, guestSize: size, rights: rights, isDirty: leaf.isDirty,
        isGlobal: leaf.isGlobal && controls.hasGlobalPages))
  }

  private func refuse(_ address: VirtualAddress, _ access: Access, _ code: PageFaultCode) -> WalkOutcome {
    .fault(HardwareFault(address: address, access: access, code: code))
  }

  /// The guest's tables are what the hardware walks, so every fault is the guest's.
  mutating func resolve(
    _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution {
    .deliver(PageFault(address: fault.address, code: fault.code))
  }

  // The guest's CR3 loads, control registers and flushes are its own: nobody need know of them.
  mutating func loadedCR3(keeps: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}
  mutating func loadedControls(_ old: ControlRegisters, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}
  mutating func invalidated(_ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}
  mutating func invalidated(
    _ operation: PCIDInvalidation, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {}
}
