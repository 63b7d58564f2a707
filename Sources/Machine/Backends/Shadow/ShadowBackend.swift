internal import Paging

/// Shadow page tables: one shadow a guest table, kept over CR3 loads, held right by write traces on the guest's tables.
///
/// A guest table is undiscovered until CR3 names it or a walk goes through it; then it gets a shadow, and every shadow
/// leaf that maps its page becomes read-only. The guest's stores to it fault, and the hypervisor emulates them and drops
/// the shadow entry that stood for the old value. So at any time each shadow entry agrees with the guest's.
struct ShadowBackend: ShadowingBackend, ~Copyable {
  var pages: [MPN: ShadowPage] = [:]
  var frames: [ShadowPage.Key: MPN] = [:]
  /// For each guest page, a bit for each level at which it has a shadow: those pages
  /// are traced.
  var tracedLevels = PageMap<UInt8>()
  var reverseMap = ReverseMap()
  /// The same of shadow leaves of 2 MiB and 1 GiB, by their first page.
  var largeMap = ReverseMap()
  var hugeMap = ReverseMap()
  /// For each page, ``MachineState/flushClock`` plus 1 when a writable leaf of it was last dropped: until all CPUs are
  /// flushed, a TLB may have the right though no leaf does, since the guest need not flush for every change.
  var lostLeaves = PageMap<UInt64>()
  /// The same of larger leaves, for each 2 MiB.
  var lostLarge = PageMap<UInt64>()
  /// What the top-level shadows of each CPU stand for; with PAE paging, up to four.
  var roots: [Int: [ShadowPage.Key]] = [:]
  /// Parts of the guest's tables that there are shadows of.
  var parts: [TablePart] = [.longMode]
  /// Frames of dropped shadows, with the flush clock then: hardware may still walk through them until it is flushed.
  var retired: [(frame: MPN, clock: UInt64)] = []
  /// Counts the splinters that were taken out of the tables; a CPU may have translations of their parts cached until it
  /// has flushed everything since.
  var fractureClock: UInt64 = 0
  var fracturesFlushed: [Int: UInt64] = [:]

  /// Shadows on the way to the range that the monitor guards.
  var guardedTables: Set<ShadowPage.Key> = []

  let design: ShadowSettings
  /// Those that shadows may have.
  let roles: [ShadowRole]
  /// Shadows of the path that is being filled: not to be evicted.
  var path: [MPN] = []
  /// Counts makings and uses of shadows.
  var time: UInt64 = 0
  /// Level-1 tables that are out of step with their shadows, in the order in which they went.
  var unsynced: [PPN] = []
  /// What was stored to a table since a walk went through it last.
  var storeRuns: [PPN: StoreRun] = [:]

  init(_ machine: inout MachineState) {
    design = machine.settings.shadow
    roles = design.turnsEntries ? ShadowRole.allCases : [.plain]
  }

  mutating func setRoot(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    resyncAll(&cpu, &machine)
    if cpu.hardwareControls.levels == 3 {
      // The first use of each pointer finds its table.
      roots[cpu.index] = []
      cpu.pointers = InlineArray(repeating: 0)
      return
    }
    let key = ShadowPage.Key.table(
      cpu.registers.root, level: cpu.registers.levels, role: role(of: cpu, machine))
    roots[cpu.index] = [key]
    cpu.root = shadow(key, &cpu, &machine)
    guardRoot(key, &cpu, &machine)
  }

  mutating func unprotected(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    freed(page, &machine)
  }

  // MARK: The guest's stores to its tables

  mutating func changed(_ store: TableStore, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    for (key, frame) in shadows(of: store.address.page) {
      for index in key.part.indices(of: store, level: key.level) {
        let place = frame.entryAddress(index: index)
        drop(place, level: key.level, &machine)
        if design.onStore == .update { renew(place, index, cpu, &machine) }
      }
    }
    if showsNoTable(store) { recycle(store.address.page, &machine) }
  }

  /// A store whose value is not known: the page is a table no longer.
  mutating func changedUnknown(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    recycle(page, &machine)
  }

  mutating func announced(
    _ page: PPN, level: Int, words: [UInt64], _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    unshadow(page, &machine, isPaid: false)
    machine.setGuestPage(page, words)
  }

  // MARK: The guest's registers and flushes

  mutating func loadedCR3(keeps: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    machine.countExit(\.exitCR3, "cr3", cpu.registers.cr3, cpu.index)
    setRoot(&cpu, &machine)
  }

  mutating func loadedControls(
    _ old: ControlRegisters, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    machine.countExit(\.exitOther, "control-register", 0, cpu.index)
    resyncAll(&cpu, &machine)
    cpu.setHardwareControls(machine.hypervisorControls(for: cpu.registers))
    changeRole(&cpu, &machine)
    let new = cpu.registers
    // NX is a reserved bit without NXE: entries that have it are present with it, and not without. Bit 7 of a 4-byte entry
    // means a page with PSE alone.
    if old.hasNoExecute != new.hasNoExecute || (old.cr4 ^ new.cr4) & CR4.pse != 0 {
      for frame in pages.keys.sorted(by: { $0.raw < $1.raw }) { dropEntries(of: frame, &machine) }
      machine.flushAllCPUs(&cpu)
    }
    if old.mode != new.mode || new.reloadsPointers(after: old) { setRoot(&cpu, &machine) }
  }

  /// CR0.WP, CR4.SMEP or CR4.SMAP may have changed what the CPU's shadows have to be made for.
  private mutating func changeRole(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    let old = roots[cpu.index]?.first?.role ?? .plain
    guard role(of: cpu, machine) != old else { return }
    setRoot(&cpu, &machine)
    // The TLB may hold entries that were turned, and grant the supervisor what it may do no longer.
    if old != .plain { cpu.flushAll() }
  }

  mutating func invalidated(_ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    machine.countExit(\.exitInvlpg, "invlpg", address.raw, cpu.index)
    resyncEntries(of: address, cpu, &machine)
    flushFractures(of: address, &cpu, machine)
  }

  mutating func invalidated(
    _ operation: PCIDInvalidation, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    machine.countExit(\.exitOther, "invpcid", 0, cpu.index)
    if case .address(let address, _) = operation {
      resyncEntries(of: address, cpu, &machine)
      flushFractures(of: address, &cpu, machine)
    } else {
      resyncAll(&cpu, &machine)
    }
  }

  /// One INVLPG of the guest's drops a whole large page, but the hardware knows its parts one by one: where the address
  /// lies in one, or may have until a moment ago, all goes.
  private mutating func flushFractures(
    of address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: borrowing MachineState
  ) {
    let isBehind = (fracturesFlushed[cpu.index] ?? 0) < fractureClock
    guard isBehind || isSplintered(address, cpu, machine) else { return }
    cpu.flushAll()
    fracturesFlushed[cpu.index] = fractureClock
  }

  /// Whether the address lies in a large page of any address space that has a shadow: the hardware may have parts of it
  /// from another root, if they are global, or if that root was left without a flush.
  private func isSplintered(
    _ address: VirtualAddress, _ cpu: borrowing VirtualCPU, _ machine: borrowing MachineState
  ) -> Bool {
    // Any table of level 2 may be the root of some gigabyte with PAE paging.
    let levels = cpu.registers.levels < 4 ? 2 : cpu.registers.levels
    for shadow in pages.values where shadow.key.level == levels {
      if isSplintered(address, shadow, machine) { return true }
      // The other half of a page of 4 MiB.
      guard cpu.guestControls.hasNarrowEntries else { continue }
      if isSplintered(VirtualAddress(address.raw ^ 0x20_0000), shadow, machine) { return true }
    }
    return false
  }

  private func isSplintered(
    _ address: VirtualAddress, _ root: ShadowPage, _ machine: borrowing MachineState
  ) -> Bool {
    var table = root.frame
    for level in (2...root.key.level).reversed() {
      let entry = PageTableEntry<MachineSpace>(machine.memory.read(table.entryAddress(address, level: level)))
      if !entry.isPresent || entry.isLeaf(level: level) { return false }
      if entry.contains(ShadowMark.fracture) { return true }
      table = entry.frame
    }
    return false
  }
}
