internal import Paging

/// What the nested dimension has of a page, and how it was found.
struct PlainNestedWalk {
  var translation: NestedTranslation
  /// By level, the entries that the walk has read.
  var places = InlineArray<6, MachineAddress>(repeating: MachineAddress(0))
  /// The first and the last of these levels; 0 and 1, so none, if the nested TLB has the page.
  var top = 0
  var bottom = 1
  /// It began where the caches of nested entries say.
  var isFromStructures = false
}

extension NestedTable {
  /// What ``walk(_:_:_:_:)`` finds of the page that an access goes to, where it enters nothing in the caches of nested entries
  /// and finds set whatever A and D the access needs. Else nil. Nothing is counted.
  @inline(__always)
  func findPlainly(
    _ page: PPN, _ needed: NestedRights, _ cpu: inout VirtualCPU, _ machine: borrowing MachineState
  ) -> PlainNestedWalk? {
    let settings = machine.settings.nested
    if !settings.isTLBForTablesOnly, let found = cpu.nested.translation(page, for: needed) {
      return PlainNestedWalk(translation: found)
    }
    guard page.raw &>> shape.pageBits == 0 else { return nil }
    if !cpu.nested.hasStructures || settings.areStructuresForTablesOnly {
      let start = WalkStart(level: shape.levels, table: root, rights: Rights(raw: NestedRights.all.rawValue))
      return walkPlainly(page, needed, from: start, machine)
    }
    guard shape.bits == 9, let start = cpu.nested.start(page.address) else { return nil }
    var found = walkPlainly(page, needed, from: start, machine)
    // What lies between would be entered.
    if found?.bottom != start.level { return nil }
    found?.isFromStructures = true
    return found
  }

  @inline(__always)
  private func walkPlainly(
    _ page: PPN, _ needed: NestedRights, from start: WalkStart, _ machine: borrowing MachineState
  ) -> PlainNestedWalk? {
    var (level, table, rights) = (start.level, start.table, NestedRights(rawValue: start.rights.raw))
    var walk = PlainNestedWalk(
      translation: NestedTranslation(frame: root, size: .small, rights: rights, isDirty: true), top: level)
    let accessed = rules.hasAccessedDirty ? rules.format.accessed : 0
    let dirty = rules.hasAccessedDirty ? rules.format.dirty : 0
    while true {
      let place = shape.place(page, in: table, level: level)
      walk.places[level] = place
      let entry = machine.memory.read(place)
      guard entry & accessed == accessed else { return nil }
      let architectural = shape.architecturalLevel(level)
      switch rules.judge(entry, level: architectural) {
      case .absent, .malformed: return nil
      case .table(let granted):
        rights.formIntersection(granted)
        table = MPN(entry &>> 12 & 0xff_ffff_ffff)
        level &-= 1
      case .leaf(let granted):
        rights.formIntersection(granted)
        guard rights.isSuperset(of: needed), let size = PageSize(level: architectural) else { return nil }
        if needed.contains(.write) && entry & dirty != dirty { return nil }
        let frame = MPN(size.first(entry &>> 12 & 0xff_ffff_ffff) | page.raw & (size.pages &- 1))
        walk.translation = NestedTranslation(
          frame: frame, size: size, rights: rights, isDirty: entry & dirty == dirty)
        walk.bottom = level
        return walk
      }
    }
  }

  /// The walk that has found this: it is counted, and the nested TLB has the page then.
  @inline(__always)
  func count(_ walk: PlainNestedWalk, _ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    if walk.top == 0 {
      machine.counters.nestedTLBHits &+= 1
      return
    }
    if walk.isFromStructures { machine.counters.nestedStructureCacheHits &+= 1 }
    var level = walk.top
    while level >= walk.bottom {
      _ = machine.readNestedEntry(at: walk.places[level], level: level)
      level &-= 1
    }
    if !machine.settings.nested.isTLBForTablesOnly { cpu.nested.fill(page, walk.translation) }
  }
}
