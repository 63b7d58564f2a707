internal import Paging

/// A backend whose hardware walks tables that the hypervisor makes from the guest's: what the emulated TLB and shadow
/// paging have in common (an exit's decisions in the order of ``resolve(_:_:_:)``).
protocol ShadowingBackend: Backend, ~Copyable {
  /// Makes the entries that a translation of the guest's needs for an access, tables on the way included.
  mutating func fill(
    _ walk: GuestWalk, _ address: VirtualAddress, for access: Access, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState)

  /// A store to a watched page has been carried out, and all others that watch it have been called.
  mutating func changed(_ store: TableStore, _ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// The same, of a store whose value nobody knows.
  mutating func changedUnknown(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// The uppermost level at which a page is a table that the backend watches; 0: it watches none there.
  borrowing func tracedLevel(of page: PPN) -> Int

  /// A store to a page that the backend watches has faulted: it may end its watch instead of having the store emulated.
  mutating func letGo(_ page: PPN, _ machine: inout MachineState)

  /// Nobody watches a page any more: its mappings may have back what was withheld.
  mutating func unprotected(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// Somebody watches a page from now on: its mappings must let no store pass.
  mutating func protect(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// Takes every leaf of a page out of the tables. TLBs may still have it.
  mutating func dropLeaves(of page: PPN, _ machine: inout MachineState)

  /// Whether an address lies where the monitor hides, in this address space or in one that shares the entry with it.
  borrowing func guards(
    _ walk: GuestWalk, _ address: VirtualAddress, _ cpu: borrowing VirtualCPU, _ machine: borrowing MachineState
  ) -> Bool

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
  /// Made ahead; A tells whether the hardware has used it. In a level-1 entry of a shadow, where no fracture is marked:
  /// PAE paging leaves no other bits to software.
  static var prefetched: EntryFlags { .software2 }
  /// Stands for a read-only entry of the user's, but lets the supervisor store, for CR0.WP is clear, and no user in.
  static var turned: EntryFlags { EntryFlags(rawValue: 1 << 53) }
}

extension ShadowingBackend where Self: ~Copyable {
  @inline(__always)
  mutating func walkPlainly(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> UInt64 { machine.walkPlainly(address, access, isGuests: false, &cpu) }

  mutating func start(_ cpu: inout VirtualCPU, _ machine: inout MachineState, isFirst: Bool) {
    cpu.setHardwareControls(machine.hypervisorControls(for: cpu.registers))
    if isFirst { machine.installTraces() }
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
      machine.countTrueFaultExit()
      return .deliver(PageFault(address: fault.address, code: code))
    case .translated(let found): walk = found
    }
    let wasAccessed = walk.leaf.isAccessed
    machine.setAccessed(&walk, fault.address, for: access, cpu)
    if guards(walk, fault.address, cpu, machine) { return resolveGuarded(walk, fault, &cpu, &machine) }
    // Device memory is never mapped. A store that only CR0.WP = 0 lets pass needs an entry that is turned for it.
    let protection = machine.traces.protection(of: walk.page)
    let needsTurning = access.isStore && !walk.rights.isWritable
    if machine.isDevice(walk.page) || needsTurning && protection == .none && !machine.turnsEntries(cpu) {
      let isDevice: UInt64 = machine.isDevice(walk.page) ? 1 : 0
      machine.counters.causeDevice += isDevice
      machine.counters.causeWriteProtect += 1 - isDevice
      machine.count(.other, fault, walk.page, cost: costs.emulation, cpu.index)
      return .emulated(walk.page)
    }
    var cause =
      machine.isBacked(walk.page)
      ? machine.cause(of: fault, wasAccessed, needsTurning, cpu) : Cause(.host, \.causeHost)
    // A table on the way may be discovered now, and the page be one: stores are judged after the fill.
    if protection != .notPresent { fill(walk, fault.address, for: access, &cpu, &machine) }
    if protection == .notPresent || access.isStore && machine.traces.seesStores(to: walk.page) {
      return resolveTraced(walk, fault, &cpu, &machine)
    }
    // Nobody watches the page any more.
    if cause.hidden == .trace { cause = Cause(.other, \.causeUpgrade) }
    machine.counters[keyPath: cause.counter] += 1
    if cause.counter == \.causeWriteProtect {
      machine.counters.writeProtectFlips += needsTurning ? 1 : 0
      machine.counters.writeProtectFlipsBack += needsTurning ? 0 : 1
    }
    machine.count(cause.hidden, fault, walk.page, cost: costs.fill, cpu.index)
    return .retry
  }

  /// An access that a client of the memory traces must see.
  private mutating func resolveTraced(
    _ walk: GuestWalk, _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution {
    let costs = machine.description.costs
    begin(PhysicalAddress(walk.page.address.raw | fault.address.offset), isStore: fault.access.isStore, &cpu, &machine)
    machine.counters.causeTrace += 1
    machine.countTraced(level: tracedLevel(of: walk.page))
    if fault.access.isStore { letGo(walk.page, &machine) }
    let isFree = machine.traces.protection(of: walk.page) == .none
    // The last watch on the page has ended with the call.
    if isFree { unprotected(walk.page, &cpu, &machine) }
    guard isFree && walk.rights.isWritable else {
      machine.count(.trace, fault, walk.page, cost: costs.emulation, cpu.index)
      return .emulated(walk.page)
    }
    fill(walk, fault.address, for: fault.access, &cpu, &machine)
    machine.count(.trace, fault, walk.page, cost: costs.fill, cpu.index)
    return .retry
  }

  mutating func sawStore(to address: PhysicalAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    begin(address, isStore: true, &cpu, &machine)
    machine.counters.causeTrace += 1
    machine.countTraced(level: tracedLevel(of: address.page))
    if machine.traces.protection(of: address.page) == .none { unprotected(address.page, &cpu, &machine) }
    machine.count(.trace, nil, address.page, cost: machine.description.costs.emulation, cpu.index)
  }

  mutating func stored(_ store: TableStore, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    endTraced(store.address, &cpu, &machine)
    changed(store, &cpu, &machine)
  }

  mutating func storedUnknown(
    _ address: PhysicalAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    endTraced(address, &cpu, &machine)
    changedUnknown(address.page, &cpu, &machine)
  }

  mutating func changed(_ store: TableStore, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  mutating func changedUnknown(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  mutating func unprotected(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {}

  mutating func letGo(_ page: PPN, _ machine: inout MachineState) {}

  borrowing func tracedLevel(of page: PPN) -> Int { 0 }
}

/// Why a fault was hidden: its class, and the finer counter.
private struct Cause {
  var hidden: HiddenCause
  var counter: WritableKeyPath<Counters, UInt64>

  init(_ hidden: HiddenCause, _ counter: WritableKeyPath<Counters, UInt64>) {
    self.hidden = hidden
    self.counter = counter
  }
}

extension MachineState {
  /// What the hardware's walk obeys in the hypervisor's tables: the guest's SMEP, SMAP, PGE and levels, but read-only
  /// holds for supervisor stores too (WP), and frames may lie anywhere. A guest outside of long mode runs on tables of PAE
  /// paging, whatever its own are; without paging, nothing of its registers restricts it.
  func hypervisorControls(for registers: ControlRegisters) -> PagingControls {
    var host = registers
    host.cr0 |= CR0.writeProtect
    if registers.mode.levels < 4 {
      host.cr0 |= CR0.paging
      host.cr4 |= CR4.pae
      if registers.mode == .off { host.cr4 &= ~(CR4.smep | CR4.smap) }
    }
    var controls = PagingControls(
      host, maxPhysicalAddressBits: 52, hasHugePages: true, alignmentCheckFlag: settings.guestAlignmentCheck)
    controls.reportsFetch = true
    return controls
  }

  /// Why the hypervisor's tables were not enough for an access that the guest allows, by the entries as they are.
  /// `wasAccessed`: A of the guest's leaf before the fault. `needsTurning`: only CR0.WP = 0 lets the store pass.
  fileprivate func cause(
    of fault: HardwareFault, _ wasAccessed: Bool, _ needsTurning: Bool, _ cpu: borrowing VirtualCPU
  ) -> Cause {
    guard let top = cpu.top(fault.address) else { return Cause(.fill, \.causeTable) }
    var table = top.table
    for level in (1...top.level).reversed() {
      let entry = PageTableEntry<MachineSpace>(memory.read(table.entryAddress(fault.address, level: level)))
      if !entry.isPresent && level > 1 { return Cause(.fill, \.causeTable) }
      if !entry.isPresent { return wasAccessed ? Cause(.fill, \.causeLeaf) : Cause(.fill, \.causeAccessed) }
      if (fault.access.isUser || fault.access.isFetch) && entry.contains(ShadowMark.turned) {
        return Cause(.other, \.causeWriteProtect)
      }
      if fault.access.isStore && entry.contains(ShadowMark.readOnlyForDirty) { return Cause(.dirty, \.causeDirty) }
      if fault.access.isStore && entry.contains(ShadowMark.readOnlyForTrace) { return Cause(.trace, \.causeTrace) }
      if entry.isLeaf(level: level) { break }
      table = entry.frame
    }
    return Cause(.other, needsTurning ? \.causeWriteProtect : \.causeUpgrade)
  }

  /// A zeroed frame for a table of the hypervisor's.
  mutating func allocateTable() -> MPN {
    let frame = allocateOwnFrame()
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
