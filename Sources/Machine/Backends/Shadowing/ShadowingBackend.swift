internal import Paging

/// A backend whose hardware walks tables that the hypervisor makes from the guest's: what the emulated TLB and shadow
/// paging have in common (an exit's decisions in the order of ``resolve(_:_:_:)``).
protocol ShadowingBackend: Backend, ~Copyable {
  /// Makes the entries that a translation of the guest's needs, tables on the way included.
  mutating func fill(
    _ walk: GuestWalk, _ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// Gives the hardware the top-level table for the CPU as its registers now are.
  mutating func setRoot(_ cpu: inout VirtualCPU, _ machine: inout MachineState)
}

/// Marks in entries of the hypervisor's tables, in bits that hardware leaves to software.
enum ShadowMark {
  /// Read-only because the guest's D bit is clear: the first store must be seen.
  static var readOnlyForDirty: EntryFlags { .software0 }
  /// Read-only because the page is traced.
  static var readOnlyForTrace: EntryFlags { .software1 }
  /// Leads to, or is, a 4 KiB part of a larger page of the guest's.
  static var fracture: EntryFlags { .software2 }
}

extension ShadowingBackend where Self: ~Copyable {
  mutating func start(_ cpu: inout VirtualCPU, _ machine: inout MachineState, isFirst: Bool) {
    cpu.setHardwareControls(machine.hypervisorControls(for: cpu.registers))
    setRoot(&cpu, &machine)
    machine.notePeaks()
  }

  /// Decides what a fault was: the guest's own, a device's, a store that the hypervisor must see, or a missing entry.
  mutating func resolve(
    _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution {
    let costs = machine.description.costs
    let access = fault.access
    var walk: GuestWalk
    switch machine.walkGuest(fault.address, access, cpu) {
    case .fault(let code):
      machine.counters.exitFault += 1
      machine.counters.cyclesVirtualization += costs.exit + costs.injection
      return .deliver(PageFault(address: fault.address, code: code))
    case .translated(let found): walk = found
    }
    machine.setAccessed(&walk, fault.address, for: access)
    // Device memory is never mapped. A store that only CR0.WP = 0 lets pass has no entry that would let no other pass.
    if machine.isDevice(walk.page) || access.isStore && !walk.rights.isWritable && !isTraced(walk.page) {
      machine.count(.other, fault, walk.page, cost: costs.emulation, cpu.index)
      return .emulated(walk.page)
    }
    let cause = machine.cause(of: fault, cpu)
    fill(walk, fault.address, &cpu, &machine)
    if access.isStore && isTraced(walk.page) {
      machine.count(.trace, fault, walk.page, cost: costs.emulation, cpu.index)
      return .emulated(walk.page)
    }
    machine.count(cause, fault, walk.page, cost: costs.fill, cpu.index)
    return .retry
  }
}

extension MachineState {
  /// What the hardware's walk obeys in the hypervisor's tables: the guest's SMEP, SMAP, PGE and levels, but read-only
  /// holds for supervisor stores too (WP), NX is on, and frames may lie anywhere.
  func hypervisorControls(for registers: ControlRegisters) -> PagingControls {
    var host = registers
    host.cr0 |= CR0.writeProtect
    host.efer |= EFER.noExecute
    var controls = PagingControls(
      host, maxPhysicalAddressBits: 52, hasHugePages: true, alignmentCheckFlag: settings.guestAlignmentCheck)
    controls.reportsFetch = true
    return controls
  }

  /// Why the hypervisor's tables were not enough for an access that the guest allows, by the entries as they are.
  func cause(of fault: HardwareFault, _ cpu: borrowing VirtualCPU) -> HiddenCause {
    var table = cpu.root
    for level in (1...cpu.registers.levels).reversed() {
      let entry = PageTableEntry<MachineSpace>(memory.read(table.entryAddress(fault.address, level: level)))
      if !entry.isPresent { return .fill }
      if fault.access.isStore && entry.contains(ShadowMark.readOnlyForDirty) { return .dirty }
      if fault.access.isStore && entry.contains(ShadowMark.readOnlyForTrace) { return .trace }
      table = entry.frame
    }
    return .other
  }

  /// A zeroed frame for a table of the hypervisor's.
  mutating func allocateTable() -> MPN {
    let frame = physmap.allocateFrame()
    memory.clear(frame)
    notePeaks()
    return frame
  }

  /// A zeroed table of so many frames in a row, a power of two.
  mutating func allocateTable(frames: UInt64) -> MPN {
    if frames == 1 { return allocateTable() }
    // Frames of this kind are never given back, so they are zero already.
    defer { notePeaks() }
    return physmap.allocateFrames(frames)
  }
}
