internal import Paging

extension ShadowBackend {
  /// Drops one shadow entry, in a shadow of a level.
  mutating func drop(_ place: MachineAddress, level: Int, _ machine: inout MachineState) {
    let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
    guard entry.isPresent else { return }
    machine.memory.write(place, 0)
    if entry.isLeaf(level: level) {
      forgetMapping(entry, place, level: level, &machine)
    } else {
      pages[entry.frame]?.parents.removeAll { $0 == place }
      // An entry above level 2 may have led to splinters.
      if level > 2 || entry.contains(ShadowMark.fracture) { fractureClock += 1 }
    }
  }

  private mutating func forgetMapping(
    _ entry: PageTableEntry<MachineSpace>, _ place: MachineAddress, level: Int, _ machine: inout MachineState
  ) {
    let pages = machine.pages(of: entry.frame)
    // The reverse map tells which of the pages that share a frame the leaf is of.
    let found = pages.count > 1 ? pages.first { reverseMap.mappings(of: $0).contains(place) } : pages.first
    guard let page = found else { preconditionFailure("a leaf of no guest page") }
    if level == 1 {
      reverseMap.remove(place, of: page)
      settlePrefetch(entry, &machine)
    } else {
      if level == 2 { largeMap.remove(place, of: page) } else { hugeMap.remove(place, of: page) }
    }
    if entry.isWritable { noteLost(page, level: level, machine) }
  }

  /// Drops all entries of a shadow. `isPaid`: the hypervisor has to look at them, rather than the trace's telling.
  mutating func dropEntries(of frame: MPN, _ machine: inout MachineState, isPaid: Bool = true) {
    guard let level = pages[frame]?.key.level else { return }
    for index in 0..<512 {
      let place = frame.entryAddress(index: index)
      guard machine.memory.read(place) & 1 == 1 else { continue }
      if isPaid { machine.countExamined() }
      drop(place, level: level, &machine)
    }
  }

  /// Ends the page's life as a table: its shadows go, and its mappings get back what the trace withheld.
  mutating func unshadow(_ page: PPN, _ machine: inout MachineState, isPaid: Bool = true) {
    let shadows = shadows(of: page)
    // A root that a CPU runs on stays, empty, and so does its trace: the next walk would find it again.
    let holdsRoot = shadows.contains { isRoot($0.key) }
    for (_, frame) in shadows {
      if holdsRoot {
        dropEntries(of: frame, &machine, isPaid: isPaid)
      } else {
        retire(frame, &machine, isPaid: isPaid)
      }
    }
  }

  /// Ends a shadow page's life; the last one of a guest's table takes the table's trace with it.
  mutating func retire(_ frame: MPN, _ machine: inout MachineState, isPaid: Bool = true) {
    dropEntries(of: frame, &machine, isPaid: isPaid)
    guard let shadow = pages.removeValue(forKey: frame) else { return }
    for place in shadow.parents { machine.memory.write(place, 0) }
    frames[shadow.key] = nil
    guardedTables.remove(shadow.key)
    retired.append((frame, machine.flushClock))
    machine.noteShadowPages(-1)
    guard case .table(let page, let level, _, _) = shadow.key else {
      fractureClock += 1
      return
    }
    if shadows(of: page).contains(where: { $0.key.level == level }) { return }
    let levels = (tracedLevels[page.raw] ?? 0) & ~(1 << UInt8(level))
    tracedLevels.set(page.raw, levels)
    if levels == 0 { untrace(page, &machine) }
  }

  mutating func dropLeaves(of page: PPN, _ machine: inout MachineState) {
    breakLarge(around: page, &machine)
    for place in reverseMap.mappings(of: page) { drop(place, level: 1, &machine) }
  }

  borrowing func tracedLevel(of page: PPN) -> Int {
    let levels = tracedLevels[page.raw] ?? 0
    // Bit 1 stands for level 1.
    return levels == 0 || unsynced.contains(page) ? 0 : 7 - levels.leadingZeroBitCount
  }

  private mutating func untrace(_ page: PPN, _ machine: inout MachineState) {
    machine.traces.unwatch(page, for: .shadowTables)
    unsynced.removeAll { $0 == page }
    storeRuns[page] = nil
    if machine.traces.protection(of: page) == .none { freed(page, &machine) }
  }

  /// Nobody watches a page any more.
  mutating func freed(_ page: PPN, _ machine: inout MachineState) {
    restoreWriteRight(page, &machine)
    rejoin(around: page, &machine)
  }

  /// More rights need no flush: a stale entry costs one walk more.
  func restoreWriteRight(_ page: PPN, _ machine: inout MachineState) {
    for place in reverseMap.mappings(of: page) {
      let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
      guard entry.contains(ShadowMark.readOnlyForTrace) else { continue }
      machine.memory.write(place, entry.clearing(ShadowMark.readOnlyForTrace).setting(.writable).raw)
    }
  }
}
