internal import Paging

/// Nested paging: the hardware walks the guest's tables, and translates each physical address that this needs through
/// the hypervisor's nested table. The guest's page faults, CR3 loads and INVLPGs are its own.
struct NestedBackend: Backend, ~Copyable {
  /// Built when the first access is made: only then is the size of RAM known.
  var table: NestedTable

  /// Pages that an eager table of small pages may have: 64 GiB of memory, 128 MiB of tables.
  private static var eagerLimit: UInt64 { 1 << 24 }

  init(_ machine: inout MachineState) throws(ReplayError) {
    let settings = machine.settings.nested
    table = NestedTable(machine)
    if table.shape.level(of: settings.page) == nil {
      throw ReplayError(
        operation: nil,
        message: "nested.page=\(settings.page.name) with nested.levels=\(settings.levels), which has no such pages")
    }
  }

  mutating func start(_ cpu: inout VirtualCPU, _ machine: inout MachineState, isFirst: Bool) throws(ReplayError) {
    if isFirst {
      machine.installTraces()
      try build(&machine)
    }
    machine.notePeaks()
    setOwner(&cpu, &machine)
  }

  /// Tags what the CPU caches.
  private func setOwner(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard machine.settings.nested.hasVPID else { return cpu.run(TranslationOwner(vpid: 0, nestedTable: 1)) }
    let owner = TranslationOwner(vpid: 1 + UInt64(cpu.index) % TranslationOwner.vpids, nestedTable: 1)
    cpu.run(owner)
    // Whoever had the VPID before may have left entries (SDM 3C 29.4.3.3).
    cpu.invvpid(.context(owner.vpid))
    machine.counters.invvpids += 1
  }

  /// The largest page to map. While stores are logged, pages are small, since a larger one would be copied whole.
  func limit(_ machine: borrowing MachineState) -> PageSize {
    machine.dirtyLog.isOn ? .small : machine.settings.nested.page
  }

  private mutating func build(_ machine: inout MachineState) throws(ReplayError) {
    let pages = machine.ramPages
    table.fit(&machine)
    guard (pages - 1) >> table.shape.pageBits == 0 else {
      throw ReplayError(
        operation: machine.operation,
        message: "nested.levels=\(table.shape.levels) with \(pages << 12) bytes of ram, expected 2^48 at most")
    }
    guard machine.settings.isNestedTableEager else { return }
    guard pages <= Self.eagerLimit << limit(machine).pageShift else {
      throw ReplayError(
        operation: machine.operation,
        message: "nested.fill=eager with \(pages << 12) bytes of ram, expected 64 GiB at most")
    }
    var page: UInt64 = 0
    while page < pages { page = table.fill(PPN(page), upTo: limit(machine), &machine).upperBound }
  }

  mutating func loadedCR3(keeps: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    readPointers(&cpu, &machine)
  }

  mutating func loadedControls(
    _ old: ControlRegisters, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    if cpu.registers.reloadsPointers(after: old) { readPointers(&cpu, &machine) }
  }

  mutating func invalidated(_ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  mutating func invalidated(
    _ operation: PCIDInvalidation, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {}
}
