internal import Paging

extension NestedBackend {
  /// The two-dimensional walk (SDM 3C 29.3.2; AMD APM 2 15.25): every table of the guest's is found through the nested
  /// table, then one of its entries is read; in the end the page itself is translated. The guest's rights are checked
  /// before that last translation, so a guest fault comes before a violation of the page.
  mutating func walk(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> WalkOutcome {
    machine.counters.walks += 1
    let controls = cpu.guestControls
    if controls.levels == 0 { return walkUnpaged(address, access, &cpu, &machine) }
    if let start = machine.startOfWalk(cpu.structurePrefix(address), &cpu) {
      if let outcome = walk(address, access, from: start, &cpu, &machine) { return outcome }
      // A table that the cache led to may not be written: only a walk from the root can say where it lies.
      cpu.structures.forEach { $0.remove(cpu.structurePrefix(address), context: cpu.context) }
    }
    var (root, level) = (cpu.registers.root, controls.levels)
    if level == 3 {
      switch pointer(address, access, &cpu, &machine) {
      case .success(let found): (root, level) = (found, 2)
      case .failure(let fault): return .fault(fault)
      }
    }
    let place = root.entryAddress(address, level: level, under: controls)
    switch table.walk(place, table.rules.tableRead, &cpu, &machine) {
    case .fault(let fault): return violation(fault, address, access)
    case .translated(let found):
      noteUse(of: root, &machine)
      let start = WalkStart(level: level, table: found.frame, rights: .all)
      let outcome = walk(address, access, from: start, root: (root, found.rights), &cpu, &machine)
      guard let outcome else { preconditionFailure("a walk from the root needs no other") }
      return outcome
    }
  }

  /// Walks on from a table of the guest's. `root`: its physical page and what the nested table grants there; without, a
  /// paging-structure cache led there, and the result is nil if more must be known of it than the cache holds.
  @inline(__always)
  private mutating func walk(
    _ address: VirtualAddress, _ access: Access, from start: WalkStart, root: (page: PPN, rights: NestedRights)? = nil,
    _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> WalkOutcome? {
    let controls = cpu.guestControls
    var (level, frame, rights) = (start.level, start.table, start.rights)
    var path = WalkPath(top: level)
    var tables = InlineArray<6, PPN>(repeating: PPN(0))
    var grants = InlineArray<6, NestedRights>(repeating: .all)
    if let root { (tables[level], grants[level]) = root }
    if !start.isWritable { grants[level] = .read }
    var guest: PageTableEntry<PhysicalSpace>
    var reliesOnCache = start.rights != .all
    while true {
      let place = frame.entryAddress(address, level: level, under: controls)
      if cpu.walksByEntries {
        let before = machine.counters.walkReferences
        let (raw, isStale) = machine.entry(at: place, level: level, &cpu)
        machine.counters.walkReferencesGuest += machine.counters.walkReferences - before
        guest = controls.entry(raw, level: level, address)
        reliesOnCache = reliesOnCache || isStale
      } else {
        guest = PageTableEntry(machine.readGuestEntry(at: place, level: level))
      }
      let code = PageFaultCode(access, under: controls)
      guard guest.isPresent else { return pageFault(address, access, code) }
      guard guest.reservedBits(level: level, under: controls) == 0 else {
        return pageFault(address, access, code.union([.present, .reserved]))
      }
      rights = rights.combined(with: Rights(guest))
      if guest.isLeaf(level: level) {
        path.append(level, place, PageTableEntry(guest.raw), rights)
        guard rights.permits(access, under: controls) else {
          return pageFault(address, access, code.union(.present), reliesOnCachedRights: reliesOnCache)
        }
        break
      }
      let below = guest.frame.entryAddress(address, level: level - 1, under: controls)
      switch table.walk(below, table.rules.tableRead, &cpu, &machine) {
      case .fault(let fault): return violation(fault, address, access)
      case .translated(let found):
        noteUse(of: guest.frame, &machine)
        // What the walk's path keeps is where the hardware finds the table below: a machine page.
        let entry = PageTableEntry<MachineSpace>(found.frame.address.raw | guest.raw & ~0xf_ffff_ffff_f000)
        path.append(level, place, entry, rights, isWritable: found.rights.contains(.write))
        frame = found.frame
        level -= 1
        (tables[level], grants[level]) = (guest.frame, found.rights)
      }
    }
    // The processor must write to the entries that lack A or D, so their pages must be writable (SDM 3C 29.3.3.2).
    if let level = path.firstUpdate(access, where: { !grants[$0].contains(.write) }) {
      if root == nil && level == start.level { return nil }
      let place = tables[level].entryAddress(address, level: level, under: controls)
      let update = NestedAccess(needed: [.read, .write], isFinal: false)
      return violation(table.rules.fault(place, update, granted: grants[level]), address, access)
    }
    guard let size = PageSize(level: level) else { preconditionFailure("a leaf at level \(level)") }
    let page = PPN(guest.frame(of: size).raw + address.page.raw % size.pages)
    return finish(address, access, page, size, rights, path, &cpu, &machine)
  }

  /// The last translation, that of the page itself, and what a completed walk leaves behind.
  @inline(__always)
  private mutating func finish(
    _ address: VirtualAddress, _ access: Access, _ page: PPN, _ size: PageSize, _ rights: Rights, _ path: WalkPath,
    _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> WalkOutcome {
    let place = PhysicalAddress(page.address.raw | address.offset)
    let needed = NestedRights(access, isUserPage: rights.isUser)
    switch table.walk(place, NestedAccess(needed: needed, isFinal: true, guest: rights), &cpu, &machine) {
    case .fault(let fault): return violation(fault, address, access)
    case .translated(let found):
      var path = path
      let leaf = path.complete(access, memory: &machine.memory)
      path.fill(&cpu, cpu.structurePrefix(address))
      // The TLB holds what both dimensions map in one piece.
      let piece = min(size, found.size)
      return .translated(
        Translation(
          frame: MPN(piece.first(found.frame.raw)), size: piece, guestSize: size,
          rights: rights, isDirty: leaf.isDirty && found.isDirty,
          isGlobal: leaf.isGlobal && cpu.guestControls.hasGlobalPages,
          refused: found.rights.refused(isUserPage: rights.isUser)))
    }
  }

  /// With checks: the walk uses a page as a table, which the hardware may count as a write.
  func noteUse(of table: PPN, _ machine: inout MachineState) {
    if self.table.rules.hasAccessedDirty { machine.observer?.used(table) }
  }

  func pageFault(
    _ address: VirtualAddress, _ access: Access, _ code: PageFaultCode, reliesOnCachedRights: Bool = false
  ) -> WalkOutcome {
    .fault(HardwareFault(address: address, access: access, code: code, reliesOnCachedRights: reliesOnCachedRights))
  }

  func violation(_ fault: NestedFault, _ address: VirtualAddress, _ access: Access) -> WalkOutcome {
    var code = PageFaultCode(access, reportsFetch: true)
    if !fault.isAbsent { code.insert(.present) }
    return .fault(HardwareFault(address: address, access: access, code: code, nested: fault))
  }
}
