internal import Paging

/// The range that the monitor guards, in tables that are shared: an entry that is in the range by one path must not be
/// present by another either. So each table on the way to the range is known, whatever else leads to it.
extension ShadowBackend {
  /// A walk goes to the range itself, or by another way through the entries that stand for it.
  borrowing func guards(
    _ walk: GuestWalk, _ address: VirtualAddress, _ cpu: borrowing VirtualCPU, _ machine: borrowing MachineState
  ) -> Bool {
    guard let range = machine.guardedRange else { return false }
    if range.contains(address) { return true }
    let role = role(of: cpu, machine)
    var leads = false
    for level in stride(from: walk.mode == .off ? 2 : walk.levels, through: range.level, by: -1) {
      // A table that is not linked yet will be known as soon as it is.
      leads = leads || guardedTables.contains(guardKey(walk, address, level: level, role))
      leads = leads && range.indices(level: level).contains(Int(address.tableIndex(level: level)))
    }
    return leads
  }

  /// What the shadow of a level on the way of a walk stands for.
  private borrowing func guardKey(
    _ walk: GuestWalk, _ address: VirtualAddress, level: Int, _ role: ShadowRole
  ) -> ShadowPage.Key {
    if walk.mode != .off && level >= walk.size.level { return key(walk, address, level: level, role) }
    let pages = UInt64(1) << UInt64(9 * level)
    return .splinter(PPN(walk.page.raw / pages * pages), level: level, isGlobal: walk.leaf.isGlobal)
  }

  /// The root leads to the range, or holds it.
  mutating func guardRoot(_ key: ShadowPage.Key, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    if machine.guardedRange != nil { guardTable(key, &cpu, &machine) }
  }

  /// The table behind a pointer of PAE paging leads to the range, or holds it, if the pointer is on the way there.
  mutating func guardPointer(
    _ key: ShadowPage.Key, _ index: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    guard let range = machine.guardedRange, range.first.raw >> 20 == 0, range.level == 2 else { return }
    if range.indices(level: 3).contains(index) { guardTable(key, &cpu, &machine) }
  }

  /// A table has been linked at a place: if that leads to the range, so does the table.
  mutating func guardBelow(
    _ key: ShadowPage.Key, at place: MachineAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    guard machine.guardedRange != nil, leadsToGuarded(place, machine) else { return }
    guardTable(key, &cpu, &machine)
  }

  /// Whether an entry of a shadow is, or leads to, an entry of the range.
  borrowing func leadsToGuarded(_ place: MachineAddress, _ machine: borrowing MachineState) -> Bool {
    guard let range = machine.guardedRange, let parent = pages[place.page]?.key else { return false }
    return guardedTables.contains(parent) && parent.level >= range.level
      && range.indices(level: parent.level).contains(Int(place.offset >> 3))
  }

  /// From now on a table is on the way to the range: what was filled before, by other ways, goes.
  private mutating func guardTable(
    _ key: ShadowPage.Key, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    guard let range = machine.guardedRange, key.level >= range.level, let frame = frames[key] else { return }
    guard guardedTables.insert(key).inserted else { return }
    var hasDropped = false
    for index in range.indices(level: key.level) {
      let place = frame.entryAddress(index: index)
      guard machine.memory.read(place) & 1 == 1 else { continue }
      drop(place, level: key.level, &machine)
      hasDropped = true
    }
    if hasDropped { machine.flushAllCPUs(&cpu) }
  }
}
