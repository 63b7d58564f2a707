internal import Paging

/// Direct paging: the hardware walks the guest's own tables, which hold machine frames. The guest changes them by
/// hypercalls, and Xen lets no change pass that would give a domain another's frame or a writable page table.
///
/// The recorded kernel is not such a guest. A ``Port`` stands between, as Linux's paravirtual operations do: it
/// translates, asks for each change, and splits what Xen refuses. Only ``FrameTable`` decides.
struct DirectBackend: Backend, ~Copyable {
  var xen = Xen()
  var port = Port()
  /// Changes that the port has yet to ask for.
  var queue = UpdateQueue()
  /// The device that the guest reaches through a ring (`dma.translation=ring`).
  var device: SplitDevice?
  /// The domain is being built from the snapshot: nothing is counted yet.
  var isBuilding = true

  static var storesByHypercall: Bool { true }

  init(_ machine: inout MachineState) {
    let interval = machine.settings.direct.interruptInterval
    xen.frames.reserve = machine.settings.direct.spareFrames
    if interval > 0 { xen.frames.armInterrupt(after: interval) }
    xen.frames.notesLinks = machine.settings.direct.stores == .detach
    xen.frames.adjustsEntries = machine.settings.direct.hasTwoBases
    xen.frames.isOnHost = machine.isOnHost
  }

  mutating func start(_ cpu: inout VirtualCPU, _ machine: inout MachineState, isFirst: Bool) throws(ReplayError) {
    try checkLevels(cpu, machine)
    if isFirst { registerAnnounced(&cpu, &machine) }
    if machine.settings.direct.hasTwoBases { cpu.modeAccesses = GuestMode.kernel }
    loadBase(&cpu, &machine)
    setHardwareControls(&cpu, machine)
    if isFirst { giveDevices(&machine) }
    if isFirst && machine.settings.dma.translation == .ring { try addSplitDevice(&cpu, &machine) }
    isBuilding = false
    machine.notePeaks()
  }

  private func checkLevels(_ cpu: borrowing VirtualCPU, _ machine: borrowing MachineState) throws(ReplayError) {
    let found: String
    switch cpu.registers.mode {
    case .fourLevel: return
    case .fiveLevel: found = "five levels"
    case .pae: found = "PAE paging"
    case .bits32: found = "32-bit paging"
    case .off: found = "no paging"
    }
    throw ReplayError(
      operation: machine.operation, message: "direct paging of a guest with \(found), expected four levels")
  }

  /// The guest's controls, but read-only holds for its kernel too, which runs in ring 1, and frames may lie anywhere. A
  /// kernel in ring 3 makes user accesses, and cannot turn global pages off.
  private func setHardwareControls(_ cpu: inout VirtualCPU, _ machine: borrowing MachineState) {
    var registers = cpu.registers
    registers.cr0 |= CR0.writeProtect
    let hasTwoBases = machine.settings.direct.hasTwoBases
    if hasTwoBases { registers.cr4 |= CR4.globalPages }
    var controls = PagingControls(
      registers, maxPhysicalAddressBits: 52, hasHugePages: true,
      alignmentCheckFlag: machine.settings.guestAlignmentCheck)
    controls.isKernelUnprivileged = hasTwoBases
    if hasTwoBases { cpu.context = cpu.owner.raw }
    cpu.setHardwareControls(controls)
  }

  mutating func walk(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> WalkOutcome {
    // After a fault that the kernel has mended, its process goes on.
    if cpu.modeAccesses & access.bit == 0 { changed(access.isUser ? .toUser : .systemCall, &cpu, &machine) }
    // A section ends before user code runs, and before the kernel relies on what it has changed.
    if !queue.isEmpty && (access.isUser || isWaitedFor(address, cpu, machine)) { settle(&cpu, &machine) }
    return machine.walkGuestTables(address, access, &cpu)
  }

  @inline(__always)
  mutating func walkPlainly(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> UInt64 {
    // What `walk` does besides.
    guard cpu.modeAccesses & access.bit != 0 && queue.isEmpty else { return 0 }
    return machine.walkPlainly(address, access, isGuests: true, &cpu)
  }

  // MARK: Faults

  /// Every page fault enters Xen, which bounces it to the guest, but for stores that the guest may make and the hardware
  /// may not let pass, to a level-1 table, which Xen emulates or detaches, or with CR0.WP clear, and for what a detached
  /// table maps.
  mutating func resolve(
    _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution {
    let costs = machine.description.costs
    if attachesTouched(fault, &cpu, &machine) { return .retry }
    if fault.access.isStore, let page = writablePage(fault, cpu, &machine) {
      if detaches(page, fault, &cpu, &machine) {
        machine.count(.trace, fault, page, cost: costs.fill, cpu.index)
        return .retry
      }
      let isTable = xen.frames[machine.physmap.machine(page)].isTable
      machine.count(isTable ? .trace : .other, fault, page, cost: costs.emulation, cpu.index)
      return .emulated(page)
    }
    machine.countTrueFaultExit()
    changed(.fault, &cpu, &machine)
    // To the hardware a kernel in ring 3 is a user; Xen tells the guest what it is to itself.
    var code = fault.code
    if !fault.access.isUser { code.remove(.user) }
    return .deliver(PageFault(address: fault.address, code: code))
  }

  /// The page of a store that only the missing RW of its leaf, or of entries that WP = 0 overrides, has stopped; its A and
  /// D are then set.
  private func writablePage(
    _ fault: HardwareFault, _ cpu: borrowing VirtualCPU, _ machine: inout MachineState
  ) -> PPN? {
    guard fault.code.contains(.present), !fault.code.contains(.reserved) else { return nil }
    var table = cpu.root
    var rights = Rights.all
    var path = WalkPath(top: 4)
    for level in (1...4).reversed() {
      let place = table.entryAddress(fault.address, level: level)
      let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
      let granted = Rights(entry)
      rights = rights.combined(with: level == 1 && port.isWithheld(place) ? granted.granting() : granted)
      path.append(level, place, entry, rights)
      table = entry.frame
    }
    // In ring 3 every page is the user's: the kernel's rights are what the rest says.
    if xen.frames.adjustsEntries && !fault.access.isUser { rights.raw &= ~2 }
    guard rights.permits(fault.access, under: cpu.guestControls) else { return nil }
    // A table above level 1 is not emulated: the guest gets the fault (Xen, `ptwr_do_page_fault`).
    if let level = xen.frames[table].kind.level, xen.frames[table].isTable, level > 1 { return nil }
    // The store is performed, so the guest's entries say so, as after the hardware's own walk.
    _ = path.complete(fault.access, memory: &machine.memory)
    return machine.physmap.physical(table)
  }

  static func dirtyLogProblem(_ settings: Settings) -> String? {
    "dirty-log.method=\(settings.dirtyLog.method.rawValue) under direct paging, whose log-dirty mode is shadow paging: "
      + "expected none"
  }

  // MARK: The guest's changes

  mutating func stored(
    _ store: TableStore, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    changed(.systemCall, &cpu, &machine)
    if storesDetached(store, &cpu, &machine) { return }
    registerAnnounced(&cpu, &machine)
    // A store of the trace counts even before the first access.
    let wasBuilding = isBuilding
    isBuilding = false
    storeEntry(store, &cpu, &machine)
    isBuilding = wasBuilding
  }

  mutating func announced(
    _ page: PPN, level: Int, words: [UInt64], _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    unregister(page, &cpu, &machine)
    if port.isRegistered(page) {
      // It is in use as a table all the while: what has changed changes one by one. It may lead to what came before.
      registerAnnounced(&cpu, &machine)
      for (index, word) in words.enumerated() {
        let address = page.entryAddress(index: index)
        let known = guestEntry(at: address, &machine)
        if (known ^ word) & ~0x60 != 0 { storeEntry(TableStore(address: address, value: word), &cpu, &machine) }
      }
    } else {
      machine.setGuestPage(page, words)
      port.announced.append((page, level))
      port.announcedParts += Port.parts(of: words, level: level)
    }
  }

  mutating func gone(_ page: PPN, level: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    // It may go before anything led to it.
    port.announced.removeAll { $0.page == page && $0.level == level }
    unregister(page, &cpu, &machine)
  }

  mutating func loadedCR3(keeps: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    changed(.systemCall, &cpu, &machine)
    registerAnnounced(&cpu, &machine)
    loadBase(&cpu, &machine)
  }

  mutating func loadedControls(
    _ old: ControlRegisters, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(ReplayError) {
    try checkLevels(cpu, machine)
    changed(.systemCall, &cpu, &machine)
    settle(&cpu, &machine)
    machine.countExit(\.exitOther, "control-register", 0, cpu.index)
    setHardwareControls(&cpu, machine)
  }

  mutating func invalidated(_ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    changed(.systemCall, &cpu, &machine)
    settle(&cpu, &machine)
    attachAll(&cpu, &machine)
    countHypercall("mmuext_op invlpg_local", nil, address.raw, nil, &machine, cpu.index)
  }

  mutating func invalidated(
    _ operation: PCIDInvalidation, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    changed(.systemCall, &cpu, &machine)
    settle(&cpu, &machine)
    attachAll(&cpu, &machine)
    // Entries of a guest without PCIDs have none that it could name.
    if xen.frames.adjustsEntries { cpu.flushAll() }
    countHypercall("mmuext_op tlb_flush_local", nil, nil, nil, &machine, cpu.index)
  }
}

extension Rights {
  /// The same with RW.
  func granting() -> Rights { Rights(raw: raw | 1) }
}
