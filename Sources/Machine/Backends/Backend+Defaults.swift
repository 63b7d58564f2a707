internal import Paging

/// What is the same in most modes.
extension Backend where Self: ~Copyable {
  static var storesByHypercall: Bool { false }

  mutating func walk(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> WalkOutcome {
    machine.walk(address, access, &cpu)
  }

  @inline(__always)
  mutating func walkPlainly(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> UInt64 { 0 }

  mutating func stored(_ store: TableStore, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  mutating func storedUnknown(
    _ address: PhysicalAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {}

  mutating func sawStore(to address: PhysicalAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  mutating func switchTraces(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  mutating func translated(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  mutating func announced(
    _ page: PPN, level: Int, words: [UInt64], _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    machine.setGuestPage(page, words)
  }

  mutating func gone(_ page: PPN, level: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  static func dirtyLogProblem(_ settings: Settings) -> String? { nil }

  mutating func beganDirtyLog(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  mutating func harvestDirtyLog(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  mutating func endedDirtyLog(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  static var hasHypervisor: Bool { true }

  static var takesHypercalls: Bool { false }

  mutating func settle(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  static var seesModes: Bool { false }

  mutating func changed(_ mode: ModeChange, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  func emulatesStore(to address: PhysicalAddress, _ machine: inout MachineState) -> Bool { false }

  mutating func preparesStore(
    to address: PhysicalAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {}

  mutating func flushTLBs(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  mutating func giveBack(_ pages: [PPN], _ cpu: inout VirtualCPU, _ machine: inout MachineState) -> Int { 0 }

  mutating func populate(_ pages: [PPN], _ cpu: inout VirtualCPU, _ machine: inout MachineState) -> Int { 0 }

  /// A hypervisor that has no such call: an exit, and -ENOSYS.
  mutating func hypercall(
    _ text: String, vm: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> [TableStore] {
    machine.countUnknownHypercall(text, cpu.index)
    return []
  }

  mutating func transfer(
    _ address: PhysicalAddress, length: UInt64, writes: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Bool { false }

  static func hostProblem(_ settings: Settings) -> String? { "has no hypervisor that could share its memory" }

  mutating func build(_ machine: inout MachineState) {}

  borrowing func violatedHostInvariant(_ machine: borrowing MachineState) -> String? { nil }

  mutating func unmap(_ pages: [PPN], _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  var furtherFrames: Int { 0 }

  func account(of frame: MPN) -> FrameAccount? { nil }

  mutating func finish(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  borrowing func guestEntry(at address: PhysicalAddress, _ machine: inout MachineState) -> UInt64 {
    machine.guestWord(address)
  }

  borrowing func violatedInvariant(_ cpu: borrowing VirtualCPU, _ machine: inout MachineState) -> String? { nil }
}
