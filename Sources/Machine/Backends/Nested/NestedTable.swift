internal import Paging

/// The hypervisor's table from physical to machine pages that the hardware walks beside the guest's (SDM 3C 29.3.2; AMD
/// APM 2 15.25).
struct NestedTable {
  let rules: NestedEntryRules
  private(set) var shape: NestedShape
  private(set) var root = MPN(0)
  /// Tables that went when their pages were put together.
  var spare: [MPN] = []

  /// Not there yet; see `fit`.
  init(_ machine: borrowing MachineState) {
    let settings = machine.settings.nested
    rules = NestedEntryRules(settings, maxPhysicalAddressBits: machine.description.maxPhysicalAddressBits)
    shape = NestedShape(levels: settings.levels, ramPages: machine.ramPages)
  }

  /// Makes the empty table, as large as the RAM demands.
  mutating func fit(_ machine: inout MachineState) {
    shape = NestedShape(levels: shape.levels, ramPages: machine.ramPages)
    root = machine.allocateTable(frames: shape.tableFrames)
  }

  /// The hardware's translation of a physical address.
  @inline(__always) func walk(
    _ address: PhysicalAddress, _ access: NestedAccess, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> NestedOutcome {
    let page = address.page
    let usesTLB = !access.isFinal || !machine.settings.nested.isTLBForTablesOnly
    if usesTLB, let found = cpu.nested.translation(page, for: access.needed) {
      machine.counters.nestedTLBHits += 1
      if machine.notes != nil { machine.notes?.hit(.nestedTLB, nextLevel: 0, found.frame) }
      return .translated(found)
    }
    guard page.raw &>> shape.pageBits == 0 else { return .fault(rules.fault(address, access, granted: nil)) }
    let usesStructures = !access.isFinal || !machine.settings.nested.areStructuresForTablesOnly
    var (level, table, rights) = usesStructures ? start(address, &cpu, &machine) : (shape.levels, root, .all)
    let top = level
    var places = InlineArray<6, MachineAddress>(repeating: MachineAddress(0))
    var passed = InlineArray<6, WalkStart>(repeating: WalkStart(level: 0, table: root, rights: .all))
    while true {
      let place = shape.place(page, in: table, level: level)
      places[level] = place
      let entry =
        cpu.pageWalks.holdsNested
        ? machine.nestedEntry(at: place, level: level, &cpu) : machine.readNestedEntry(at: place, level: level)
      let architectural = shape.architecturalLevel(level)
      switch rules.judge(entry, level: architectural) {
      case .absent: return .fault(rules.fault(address, access, granted: nil))
      case .malformed: return .fault(rules.fault(address, access, granted: nil, isMalformed: true))
      case .table(let granted):
        rights.formIntersection(granted)
        table = MPN(entry &>> 12 & 0xff_ffff_ffff)
        passed[level] = WalkStart(level: architectural, table: table, rights: Rights(raw: rights.rawValue))
        level -= 1
        continue
      case .leaf(let granted): rights.formIntersection(granted)
      }
      guard rights.isSuperset(of: access.needed), let size = PageSize(level: architectural) else {
        return .fault(rules.fault(address, access, granted: rights))
      }
      var isDirty = true
      if rules.hasAccessedDirty {
        let isWrite = access.needed.contains(.write)
        if isWrite && machine.dirtyLog.usesModificationLog && entry & rules.format.dirty == 0 {
          // The entry in the log comes before D (SDM 3C 29.3.6).
          guard machine.logModification(of: page, cpu.index) else { return .fault(rules.logFull(address, access)) }
        }
        isDirty = setAccessed(places, level...top, isWrite: isWrite, &machine)
      }
      let first = size.first(entry &>> 12 & 0xff_ffff_ffff)
      let frame = MPN(first | page.raw & (size.pages - 1))
      let found = NestedTranslation(frame: frame, size: size, rights: rights, isDirty: isDirty)
      if usesTLB { cpu.nested.fill(page, found) }
      for level in stride(from: top, to: level, by: -1) where usesStructures && cpu.nested.hasStructures {
        cpu.nested.fill(address, passed[level])
      }
      return .translated(found)
    }
  }

  /// Where the walk begins: at the root, or where the caches of nested entries let it. A flattened table's upper level
  /// counts as level 3 there.
  @inline(__always) private func start(
    _ address: PhysicalAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> (level: Int, table: MPN, rights: NestedRights) {
    guard let start = cpu.nested.start(address) else { return (shape.levels, root, .all) }
    machine.counters.nestedStructureCacheHits += 1
    let level = shape.levels == 2 ? 1 : start.level
    if machine.notes != nil { machine.notes?.hit(.nestedStructures, nextLevel: level, start.table) }
    return (level, start.table, NestedRights(rawValue: start.rights.raw))
  }

  /// Sets A in every entry that the walk read, and D in the leaf, the lowest, for a write. Returns whether D is set.
  private func setAccessed(
    _ places: borrowing InlineArray<6, MachineAddress>, _ levels: ClosedRange<Int>, isWrite: Bool,
    _ machine: inout MachineState
  ) -> Bool {
    let format = rules.format
    for level in levels {
      let flags = format.accessed | (level == levels.lowerBound && isWrite ? format.dirty : 0)
      if machine.memory.read(places[level]) & flags != flags { machine.memory.set(flags, at: places[level]) }
    }
    return machine.memory.read(places[levels.lowerBound]) & format.dirty != 0
  }
}

/// How a nested walk ended.
enum NestedOutcome {
  case translated(NestedTranslation)
  case fault(NestedFault)
}

/// What a nested walk found for a physical page.
struct NestedTranslation {
  /// The machine page behind it.
  var frame: MPN
  /// Of the nested leaf.
  var size: PageSize
  var rights: NestedRights
  /// The leaf's D bit is set, or there are none: writes need no further walk.
  var isDirty: Bool
}
