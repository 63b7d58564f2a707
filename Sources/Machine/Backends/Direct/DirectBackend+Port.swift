internal import Paging

/// The port's work: pages become tables and ordinary pages again, entries are translated and asked for.
extension DirectBackend {
  /// Registers all tables that the trace has announced since the last time, and pins the top-level ones.
  mutating func registerAnnounced(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard !port.announced.isEmpty else { return }
    let announced = port.announced
    port.announced = []
    port.announcedParts = 0
    for (page, level) in announced { register(page, level: level, &cpu, &machine) }
    for (page, level) in announced where level == 4 && !xen.frames[machine.physmap.machine(page)].isPinned {
      pin(page, level: 4, &cpu, &machine)
    }
  }

  /// Makes a page a table: its mappings become read-only, its words machine terms. What it points to is registered too.
  mutating func register(_ page: PPN, level: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard !port.isRegistered(page), !machine.isDevice(page) else { return }
    awaitTransfers(of: page, &cpu, &machine)
    let frame = machine.physmap.machine(page)
    let mappings = port.reverseMap.mappings(of: page)
    if !queue.isEmpty, mappings.contains(where: { queue.value(at: $0) != nil }) { settle(&cpu, &machine) }
    port.setLevel(level, of: page)
    for place in mappings {
      let entry = machine.memory.read(place)
      let mapping = PageTableEntry<MachineSpace>(entry)
      guard mapping.isWritable, mapping.frame == frame else { continue }
      port.setWithheld(true, at: place)
      change(place, entry & ~EntryFlags.writable.rawValue, &cpu, &machine)
    }
    for index in 0..<512 {
      let place = frame.entryAddress(index: index)
      let value = PageTableEntry<PhysicalSpace>(machine.memory.read(place))
      machine.memory.write(place, translate(value, level: level, at: place, &cpu, &machine).raw)
    }
    if level == 4 && xen.frames.adjustsEntries { makeUserBase(page, &machine) }
  }

  /// Makes a table an ordinary page again, if Xen has no use of it as one: its words are the guest's own terms, and its
  /// mappings get back the right that they lost.
  mutating func unregister(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard let level = port.levels[page] else { return }
    settle(&cpu, &machine)
    attachAll(&cpu, &machine)
    let frame = machine.physmap.machine(page)
    let uses = xen.frames[frame].isTable ? xen.frames[frame].typeCount : 0
    guard uses == (xen.frames[frame].isPinned ? 1 : 0) else { return }
    unpin(page, &cpu, &machine)
    for index in 0..<512 {
      let place = frame.entryAddress(index: index)
      let word = guestEntry(at: page.entryAddress(index: index), &machine)
      let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
      forget(entry, level: level, at: place, &machine)
      machine.memory.write(place, word)
    }
    freeUserBase(page, &machine)
    port.setLevel(nil, of: page)
    for place in port.reverseMap.mappings(of: page) where port.isWithheld(place) {
      port.setWithheld(false, at: place)
      change(place, machine.memory.read(place) | EntryFlags.writable.rawValue, &cpu, &machine)
    }
  }

  /// Changes one of the port's own mappings: by hypercall where Xen guards the table, else by a plain store.
  private mutating func change(
    _ place: MachineAddress, _ value: UInt64, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    if xen.frames[place.page].isTable {
      enqueue(UpdateQueue.Request(place: place, value: value), &cpu, &machine)
    } else {
      machine.memory.write(place, value)
    }
  }

  /// A page-table store of the guest: one request to Xen, at once or later, or a store that Xen emulates.
  mutating func storeEntry(_ store: TableStore, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    let place = machine.physmap.machine(store.address)
    if queue.value(at: place) != nil { settle(&cpu, &machine) }
    guard let level = port.levels[store.address.page] else {
      return enqueue(UpdateQueue.Request(place: place, value: store.value), &cpu, &machine)
    }
    let isEmulated = emulatesStore(to: store.address, &machine)
    let known = UpdateQueue.Store(
      address: store.address, value: store.value, level: level,
      old: PageTableEntry(machine.memory.read(place)), oldSplit: port.splits[place],
      wasWithheld: port.isWithheld(place))
    port.setWithheld(false, at: place)
    port.setSplit(nil, at: place)
    let new = translate(PageTableEntry(store.value), level: level, at: place, &cpu, &machine)
    let request = UpdateQueue.Request(place: place, value: new.raw, store: known)
    if isEmulated { return storeEmulated(request, &cpu, &machine) }
    enqueue(request, with: mirrored(request, store.address.page), &cpu, &machine)
  }

  // MARK: Entries

  /// The guest's entry in machine terms. Tables that it points to are registered, large pages split, mappings of tables
  /// made read-only.
  mutating func translate(
    _ entry: PageTableEntry<PhysicalSpace>, level: Int, at place: MachineAddress, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) -> PageTableEntry<MachineSpace> {
    guard entry.isPresent else { return PageTableEntry(entry.raw) }
    if entry.isLeaf(level: level) && level > 1 { return split(entry, level: level, at: place, &cpu, &machine) }
    if level > 1 {
      register(entry.frame, level: level - 1, &cpu, &machine)
    } else {
      port.reverseMap.insert(place, of: entry.frame)
    }
    var flags = entry.raw & ~0xf_ffff_ffff_f000
    if level == 1 && entry.isWritable && port.isRegistered(entry.frame) {
      flags &= ~EntryFlags.writable.rawValue
      port.setWithheld(true, at: place)
    }
    flags = flagsInRing3(flags, level: level, at: place)
    return PageTableEntry(machine.physmap.machine(entry.frame).address.raw | flags)
  }

  /// Makes the table that stands for a large page, which Xen refuses; returns the entry that points to it.
  private mutating func split(
    _ entry: PageTableEntry<PhysicalSpace>, level: Int, at place: MachineAddress, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) -> PageTableEntry<MachineSpace> {
    guard let size = PageSize(level: level), let part = PageSize(level: level - 1) else {
      preconditionFailure("a leaf at level \(level)")
    }
    let table = machine.allocateTable()
    xen.frames.setExtra(table, of: machine.domain, true, &machine)
    port.setSplit(table, at: place)
    // PAT is bit 12 in a large leaf, bit 7 in a small one, where a large one has PS.
    let isSmall = part == .small
    var flags = entry.raw & ~0xf_ffff_ffff_f000 & ~EntryFlags.pageSize.rawValue
    if isSmall { flags |= entry.raw >> 12 & 1 << 7 } else { flags |= entry.raw & 0x1000 | EntryFlags.pageSize.rawValue }
    for index in 0..<512 {
      let frame = PPN(entry.frame(of: size).raw + UInt64(index) * part.pages)
      let value = PageTableEntry<PhysicalSpace>(frame.address.raw | flags)
      let partPlace = table.entryAddress(index: index)
      machine.memory.write(
        partPlace, translate(value, level: level - 1, at: partPlace, &cpu, &machine).raw)
    }
    return PageTableEntry(frame: table, [.present, .writable, .user, .accessed])
  }

  /// Forgets what the port keeps of an entry that is no longer in a table, its split included.
  mutating func forget(
    _ entry: PageTableEntry<MachineSpace>, level: Int, at place: MachineAddress, _ machine: inout MachineState
  ) {
    if let table = port.splits[place] {
      port.setSplit(nil, at: place)
      freeSplit(table, level: level - 1, &machine)
    } else {
      unmap(entry, level: level, at: place, &machine)
      port.setWithheld(false, at: place)
    }
  }

  mutating func unmap(
    _ entry: PageTableEntry<MachineSpace>, level: Int, at place: MachineAddress, _ machine: inout MachineState
  ) {
    guard level == 1, entry.isPresent, let page = machine.physmap.physical(entry.frame) else { return }
    port.reverseMap.removeIfPresent(place, of: page)
  }

  mutating func freeSplit(_ table: MPN, level: Int, _ machine: inout MachineState) {
    for index in 0..<512 {
      let place = table.entryAddress(index: index)
      forget(PageTableEntry(machine.memory.read(place)), level: level, at: place, &machine)
    }
    freeExtra(table, &machine)
  }

  /// A table of the port's own is needed no more.
  mutating func freeExtra(_ table: MPN, _ machine: inout MachineState) {
    // On a host somebody else may have it next: not before it is flushed.
    if xen.frames[table].isUnused && !machine.isOnHost {
      xen.frames.setExtra(table, of: machine.domain, false, &machine)
      machine.physmap.free(table)
    } else {
      // Or the guest has linked it elsewhere by itself.
      xen.frames.noteExtra(of: machine.domain, false)
      xen.frames.release(table, &machine)
    }
  }

  // MARK: Back again

  /// An entry of a table in the guest's own terms: the frame by M2P, a split large page put together with A and D of all
  /// its parts, and the write right that a mapping of a table had to give up.
  borrowing func guestEntry(at address: PhysicalAddress, _ machine: inout MachineState) -> UInt64 {
    let place = machine.physmap.machine(address)
    guard let level = port.levels[address.page] else { return queue.value(at: place) ?? machine.memory.read(place) }
    return guestEntry(level: level, at: place, machine)
  }

  private borrowing func guestEntry(
    level: Int, at place: MachineAddress, _ machine: borrowing MachineState
  ) -> UInt64 {
    let word = queue.value(at: place) ?? xen.detached.known(machine.memory.read(place), at: place)
    return guestEntry(PageTableEntry(word), level: level, at: place, machine)
  }

  borrowing func guestEntry(
    _ entry: PageTableEntry<MachineSpace>, level: Int, at place: MachineAddress, _ machine: borrowing MachineState
  ) -> UInt64 {
    if let table = port.splits[place] { return joined(table, level: level, machine) }
    guard entry.isPresent, let page = xen.physical(entry.frame, machine) else { return entry.raw }
    // Another's frame, by its grant, has no page of the guest's.
    if let owner = xen.frames.owner(of: entry.frame, machine), owner != machine.domain { return entry.raw }
    let adjusted = xen.frames.adjustsEntries ? port.restored(entry.raw, at: place) : entry.raw
    let flags = adjusted & ~0xf_ffff_ffff_f000
    let withheld = level == 1 && port.isWithheld(place) ? EntryFlags.writable.rawValue : 0
    return page.address.raw | flags | withheld
  }

  private borrowing func joined(_ table: MPN, level: Int, _ machine: borrowing MachineState) -> UInt64 {
    let parts = (0..<512).map { guestEntry(level: level - 1, at: table.entryAddress(index: $0), machine) }
    let recorded = (EntryFlags.accessed.union(.dirty)).rawValue
    var entry = parts[0] | parts.reduce(0) { $0 | $1 & recorded } | EntryFlags.pageSize.rawValue
    if level == 2 {
      // PAT goes back from bit 7 to bit 12.
      entry = entry & ~0x1000 | (parts[0] & 1 << 7) << 5
    }
    return entry
  }
}
