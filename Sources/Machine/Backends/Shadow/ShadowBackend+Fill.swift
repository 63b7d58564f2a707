internal import Paging

extension ShadowBackend {
  mutating func fill(
    _ walk: GuestWalk, _ address: VirtualAddress, for access: Access, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) {
    let role = role(of: cpu, machine)
    var frame = walk.mode.levels < 4 ? linkPointer(walk, address, &cpu, &machine) : cpu.root
    var level = walk.levels
    path = [frame]
    noteWalk(walk)
    while level > walk.size.level {
      let key = key(walk, address, level: level - 1, role)
      let place = frame.entryAddress(address, level: level)
      let isForStores = isForStores(walk, access, at: place, machine)
      let flags = role.grants(walk.entries[level], isLeaf: false, isForStores: isForStores)
      frame = link(key, at: place, flags, &cpu, &machine)
      level -= 1
    }
    if walk.mode == .off {
      fillUnpaged(walk, address, frame, &cpu, &machine)
    } else {
      let place = frame.entryAddress(address, level: level)
      let isForStores = isForStores(walk, access, at: place, machine)
      let flags = role.grants(walk.leaf, isLeaf: true, isForStores: isForStores)
      if walk.size > .small {
        fillLarge(walk, address, frame, flags, &cpu, &machine)
      } else {
        fillLeaf(walk, flags, at: place, &machine)
      }
    }
    use(path)
    path = []
    if walk.size == .small && walk.mode != .off { prefetch(around: walk, address, frame, cpu, &machine) }
  }

  /// What the shadow of the guest's table of a level, on the way of a walk, stands for.
  func key(_ walk: GuestWalk, _ address: VirtualAddress, level: Int, _ role: ShadowRole) -> ShadowPage.Key {
    .table(walk.tables[level], level: level, role: role, part: TablePart(walk.mode, level: level, address))
  }

  /// PAE paging of the hardware's: the level-2 shadow behind the pointer that an address uses, found at its first use.
  private mutating func linkPointer(
    _ walk: GuestWalk, _ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> MPN {
    let index = Int(address.raw >> 30 & 3)
    let known = PageTableEntry<MachineSpace>(cpu.pointers[index])
    if known.isPresent { return known.frame }
    let gigabyte = PPN(UInt64(index) << PageSize.huge.pageShift)
    let key =
      walk.mode == .off
      ? ShadowPage.Key.splinter(gigabyte, level: 2, isGlobal: false) : key(walk, address, level: 2, .plain)
    let frame = shadow(key, &cpu, &machine)
    roots[cpu.index, default: []].append(key)
    // As a new link does: what is below must be as the guest has it from now on.
    resyncAll(&cpu, &machine)
    cpu.pointers[index] = PageTableEntry(frame: frame, .present).raw
    guardPointer(key, index, &cpu, &machine)
    return frame
  }

  private mutating func fillLeaf(
    _ walk: GuestWalk, _ granted: EntryFlags, at place: MachineAddress, _ machine: inout MachineState
  ) {
    var flags = granted.union(.dirty)
    if walk.leaf.isGlobal { flags.insert(.global) }
    setLeaf(walk.page, flags, at: place, level: 1, &machine)
  }

  /// Writes a shadow leaf, without the write right where the page is watched.
  func withheld(_ page: PPN, _ flags: EntryFlags, _ machine: borrowing MachineState) -> EntryFlags {
    guard flags.contains(.writable) && machine.traces.seesStores(to: page) else { return flags }
    return flags.subtracting(.writable).union(ShadowMark.readOnlyForTrace)
  }

  /// Makes an entry of a level map the memory from a page on.
  mutating func setLeaf(
    _ page: PPN, _ flags: EntryFlags, at place: MachineAddress, level: Int, _ machine: inout MachineState
  ) {
    let size: EntryFlags = level > 1 ? .pageSize : []
    let frame = machine.frameToMap(page)
    let leaf = PageTableEntry(frame: frame, withheld(page, flags, machine).union(size))
    var old = PageTableEntry<MachineSpace>(machine.memory.read(place))
    // A table that was out of step may have led elsewhere, and a large page may have been in parts.
    if old.isPresent && (old.frame != leaf.frame || !old.isLeaf(level: level)) {
      drop(place, level: level, &machine)
      old = PageTableEntry(0)
    }
    if !old.isPresent {
      if level > 1 { machine.counters.shadowLargeMade += 1 }
      noteMapping(place, of: page, level: level)
    } else if level == 1 {
      settlePrefetch(old, &machine)
    }
    if old.isWritable && !leaf.isWritable { noteLost(page, level: level, machine) }
    machine.memory.write(place, leaf.raw)
  }

  private mutating func noteMapping(_ place: MachineAddress, of page: PPN, level: Int) {
    switch level {
    case 1: reverseMap.insert(place, of: page)
    case 2: largeMap.insert(place, of: page)
    default: hugeMap.insert(place, of: page)
    }
  }

  /// Makes an entry point to the shadow with a key; returns that shadow's frame.
  mutating func link(
    _ key: ShadowPage.Key, at place: MachineAddress, _ flags: EntryFlags, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) -> MPN {
    let frame = shadow(key, &cpu, &machine)
    path.append(frame)
    let old = PageTableEntry<MachineSpace>(machine.memory.read(place))
    if !old.isPresent || old.frame != frame {
      if old.isPresent { drop(place, level: key.level + 1, &machine) }
      pages[frame]?.parents.append(place)
      // P 0 to 1 needs no flush: what is below must be as the guest has it from now on, and a table that is an upper one
      // from now on may not be out of step.
      resyncAll(&cpu, &machine)
    }
    machine.memory.write(place, PageTableEntry(frame: frame, flags).raw)
    guardBelow(key, at: place, &cpu, &machine)
    return frame
  }

  /// The frame of the shadow with a key; it is made, and its table traced, if there is none.
  mutating func shadow(_ key: ShadowPage.Key, _ cpu: inout VirtualCPU, _ machine: inout MachineState) -> MPN {
    if let frame = frames[key] { return frame }
    makeRoom(&machine)
    let frame = takeFrame(&cpu, &machine)
    frames[key] = frame
    time += 1
    pages[frame] = ShadowPage(key: key, frame: frame, stamp: time)
    machine.noteShadowPages(+1)
    machine.counters.shadowPagesMade += 1
    if case .table(let page, let level, _, let part) = key {
      if !parts.contains(part) { parts.append(part) }
      trace(page, level: level, &cpu, &machine)
    }
    return frame
  }

  /// A frame that no processor can still be walking through.
  private mutating func takeFrame(_ cpu: inout VirtualCPU, _ machine: inout MachineState) -> MPN {
    if retired.count > 64 && retired[0].clock == machine.flushClock { machine.flushAllCPUs(&cpu) }
    if let oldest = retired.first, oldest.clock < machine.flushClock {
      retired.removeFirst()
      machine.memory.clear(oldest.frame)
      return oldest.frame
    }
    return machine.allocateTable()
  }

  /// Installs the write trace on a guest's table: every leaf that maps it becomes read-only.
  private mutating func trace(_ page: PPN, level: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    let levels = tracedLevels[page.raw] ?? 0
    tracedLevels.set(page.raw, levels | 1 << UInt8(level))
    if levels == 0 { watch(page, &cpu, &machine) }
  }

  /// Has stores to a table seen from now on.
  mutating func watch(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    let protection = machine.traces.watch(page, .afterWrite, for: .shadowTables)
    machine.counters.tracedPagesPeak = UInt64(machine.traces.pagesPeak)
    // Where somebody watches already, no mapping is writable.
    if protection == .none { protect(page, &cpu, &machine) }
  }

  /// Takes the write right from every mapping of a page.
  mutating func protect(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    breakLarge(around: page, &machine)
    let clock = machine.flushClock + 1
    var hasLostRight = lostLeaves[page.raw] == clock || lostLarge[page.raw >> 9] == clock
    for place in reverseMap.mappings(of: page) {
      let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
      guard entry.isWritable else { continue }
      machine.memory.write(place, entry.clearing(.writable).setting(ShadowMark.readOnlyForTrace).raw)
      hasLostRight = true
    }
    // A processor may hold the right in its TLB, by addresses that nobody has written down.
    if hasLostRight { machine.flushAllCPUs(&cpu) }
  }
}
