internal import Paging

extension MachineState {
  /// Walks tables in machine memory as the processor does (SDM 3A 4.5 to 4.8), from the CPU's root or from what its
  /// paging-structure caches know.
  ///
  /// Reserved bits are judged before rights, level by level. A and D are set once the whole walk has passed: a walk that
  /// faults changes nothing.
  mutating func walk(_ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU) -> WalkOutcome {
    counters.walks += 1
    if cpu.walksByEntries { return walkByEntries(address, access, &cpu) }
    let controls = cpu.hardwareControls
    var start = WalkStart(level: controls.levels, table: cpu.root, rights: .all)
    if let cached = startOfWalk(address, &cpu) { start = cached }
    var (level, table, rights) = (start.level, start.table, start.rights)
    var common = PageTableEntry<MachineSpace>(.max)
    while true {
      let entry = PageTableEntry<MachineSpace>(
        readEntry(at: table.entryAddress(address, level: level), level: level, .guest))
      guard entry.isPresent else { return fault(address, access, [], controls) }
      guard entry.reservedBits(level: level, under: controls) == 0 else {
        return fault(address, access, [.present, .reserved], controls)
      }
      rights = rights.combined(with: Rights(entry))
      common.raw &= entry.raw
      table = entry.frame
      if entry.isLeaf(level: level) { break }
      level -= 1
    }
    guard rights.permits(access, under: controls) else {
      return fault(address, access, [.present], controls, reliesOnCachedRights: start.rights != .all)
    }
    // Only in the leaf, D: the upper levels' bit 6 means nothing.
    var leaf = PageTableEntry<MachineSpace>(table.address.raw | common.raw & 0xfff)
    if level < start.level || !common.isAccessed || access.isStore && !common.isDirty {
      leaf = complete(address, access, from: start, &cpu)
    }
    guard let size = PageSize(level: level) else { preconditionFailure("a leaf at level \(level)") }
    return .translated(
      Translation(
        frame: leaf.frame(of: size), size: size, guestSize: size, rights: rights, isDirty: leaf.isDirty,
        isGlobal: leaf.isGlobal && controls.hasGlobalPages))
  }

  /// The same walk where the tables are the guest's own.
  mutating func walkGuestTables(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU
  ) -> WalkOutcome {
    let before = counters.walkReferences
    defer { counters.walkReferencesGuest += counters.walkReferences - before }
    return walk(address, access, &cpu)
  }

  /// What a walk that has passed leaves behind: A in every entry, D in the leaf of a store, and the tables that it went
  /// through in the paging-structure caches. It reads the same entries again, so the walk itself need not note them.
  private mutating func complete(
    _ address: VirtualAddress, _ access: Access, from start: WalkStart, _ cpu: inout VirtualCPU
  ) -> PageTableEntry<MachineSpace> {
    var path = WalkPath(top: start.level)
    var (level, table, rights) = (start.level, start.table, start.rights)
    while true {
      let place = table.entryAddress(address, level: level)
      let entry = PageTableEntry<MachineSpace>(memory.read(place))
      rights = rights.combined(with: Rights(entry))
      path.append(level, place, entry, rights)
      if entry.isLeaf(level: level) { break }
      table = entry.frame
      level -= 1
    }
    let leaf = path.complete(access, memory: &memory)
    path.fill(&cpu, address)
    return leaf
  }

  private func fault(
    _ address: VirtualAddress, _ access: Access, _ cause: PageFaultCode, _ controls: PagingControls,
    reliesOnCachedRights: Bool = false
  ) -> WalkOutcome {
    let code = PageFaultCode(access, under: controls).union(cause)
    return .fault(
      HardwareFault(address: address, access: access, code: code, reliesOnCachedRights: reliesOnCachedRights))
  }
}

/// Where a walk begins: at the root, or where a paging-structure cache lets it.
struct WalkStart {
  /// Level of the table whose entry is read first.
  var level: Int
  var table: MPN
  /// What the entries above grant.
  var rights: Rights
  /// Under nested paging: the nested table lets the processor write to the table.
  var isWritable = true
}

/// The entries that a walk has read, from its first level down, and the rights accumulated at each.
struct WalkPath {
  private var addresses = InlineArray<6, MachineAddress>(repeating: MachineAddress(0))
  private var entries = InlineArray<6, PageTableEntry<MachineSpace>>(repeating: PageTableEntry(0))
  private var rights = InlineArray<6, Rights>(repeating: .all)
  /// By level of entry, a bit: the table that it points to must not be written.
  private var readOnlyTables: UInt8 = 0
  private let top: Int
  private var bottom: Int

  init(top: Int) {
    self.top = top
    bottom = top + 1
  }

  mutating func append(
    _ level: Int, _ address: MachineAddress, _ entry: PageTableEntry<MachineSpace>, _ rights: Rights,
    isWritable: Bool = true
  ) {
    if !isWritable { readOnlyTables |= 1 &<< UInt8(level) }
    addresses[level] = address
    entries[level] = entry
    self.rights[level] = rights
    bottom = level
  }

  /// The uppermost level, of those for which the condition holds, whose entry must be written: A or D is missing.
  @inline(__always) func firstUpdate(_ access: Access, where condition: (Int) -> Bool) -> Int? {
    var level = top
    while level >= bottom {
      if condition(level) && !entries[level].contains(flags(access, level)) { return level }
      level -= 1
    }
    return nil
  }

  @inline(__always) private func flags(_ access: Access, _ level: Int) -> EntryFlags {
    level == bottom && access.isStore ? [.accessed, .dirty] : .accessed
  }

  /// Sets A in every entry, and D in the leaf for a store; returns the leaf as it then is.
  mutating func complete(_ access: Access, memory: inout MachineMemory) -> PageTableEntry<MachineSpace> {
    for level in bottom...top {
      let flags = flags(access, level)
      // The word is read again: a table may contain an entry that points to itself, so that one word is two entries.
      if !entries[level].contains(flags) { memory.set(flags.rawValue, at: addresses[level]) }
      entries[level] = entries[level].setting(flags)
    }
    return entries[bottom]
  }

  /// Enters the tables that the walk went through in the paging-structure caches.
  func fill(_ cpu: inout VirtualCPU, _ address: VirtualAddress) {
    guard top > bottom else { return }
    let context = cpu.context
    cpu.structures.forEach { cache in
      guard cache.level > bottom && cache.level <= top else { return }
      cache.fill(
        address, context: context, table: entries[cache.level].frame, rights: rights[cache.level],
        isWritable: readOnlyTables >> UInt8(cache.level) & 1 == 0)
    }
  }
}
