internal import Paging

/// No hypervisor: physical memory is machine memory, the hardware walks the guest's own tables, and every fault is true.
struct NativeBackend: Backend, ~Copyable {
  static var hasHypervisor: Bool { false }

  init(_ machine: inout MachineState) {}

  mutating func start(_ cpu: inout VirtualCPU, _ machine: inout MachineState, isFirst: Bool) {
    setRoot(&cpu, &machine)
    machine.notePeaks()
  }

  private func setRoot(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    cpu.root = machine.frame(of: cpu.registers.root)
    // The two spaces are one.
    cpu.pointers = cpu.guestPointers
  }

  mutating func walk(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> WalkOutcome {
    machine.walkGuestTables(address, access, &cpu)
  }

  @inline(__always)
  mutating func walkPlainly(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> UInt64 { machine.walkPlainly(address, access, isGuests: true, &cpu) }

  mutating func resolve(
    _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution {
    .deliver(PageFault(address: fault.address, code: fault.code))
  }

  mutating func loadedCR3(keeps: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    setRoot(&cpu, &machine)
  }

  mutating func loadedControls(
    _ old: ControlRegisters, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    setRoot(&cpu, &machine)
  }

  mutating func invalidated(_ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  mutating func invalidated(
    _ operation: PCIDInvalidation, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {}
}
