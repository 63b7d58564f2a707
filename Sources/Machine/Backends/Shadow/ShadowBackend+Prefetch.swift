internal import Paging

/// Shadow entries that are made before a fault demands them.
extension ShadowBackend {
  /// Makes the entries around one that was filled: half of them before it, the others behind, in the same table.
  mutating func prefetch(
    around walk: GuestWalk, _ address: VirtualAddress, _ frame: MPN, _ cpu: borrowing VirtualCPU,
    _ machine: inout MachineState
  ) {
    guard design.prefetch > 0, let key = pages[frame]?.key else { return }
    let index = Int(address.tableIndex(level: 1))
    let before = design.prefetch / 2
    for other in max(0, index - before)...min(511, index + design.prefetch - before) where other != index {
      let place = frame.entryAddress(index: other)
      guard machine.memory.read(place) & 1 == 0 else { continue }
      machine.countExamined()
      guard let guest = key.guestEntry(other, cpu.guestControls, &machine) else { continue }
      if makeAhead(guest, key.role, at: place, cpu, &machine) { machine.counters.prefetched += 1 }
    }
  }

  /// Makes a level-1 entry as it will be needed, if the guest has its A set: a prefetch is no access, and sets none.
  private mutating func makeAhead(
    _ guest: PageTableEntry<PhysicalSpace>, _ role: ShadowRole, at place: MachineAddress,
    _ cpu: borrowing VirtualCPU, _ machine: inout MachineState
  ) -> Bool {
    guard guest.isPresent, guest.isAccessed, guest.reservedBits(level: 1, under: cpu.guestControls) == 0 else {
      return false
    }
    let page = guest.frame
    guard !machine.isDevice(page), machine.traces.protection(of: page) != .notPresent else { return false }
    guard machine.mayMapAhead(page) else { return false }
    var flags = role.grants(guest, isLeaf: true).union([.dirty, ShadowMark.prefetched])
    if guest.isGlobal { flags.insert(.global) }
    // The hardware sets A when it uses the entry.
    setLeaf(page, flags.subtracting(.accessed), at: place, level: 1, &machine)
    return true
  }

  /// Books whether an entry that was made ahead, and now goes or is made anew, has been used.
  func settlePrefetch(_ entry: PageTableEntry<MachineSpace>, _ machine: inout MachineState) {
    guard entry.contains(ShadowMark.prefetched) else { return }
    if entry.isAccessed { machine.counters.prefetchedUsed += 1 } else { machine.counters.prefetchedInVain += 1 }
  }

  /// Books what is left.
  mutating func finish(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    for shadow in pages.values where shadow.key.level == 1 {
      for index in 0..<512 {
        settlePrefetch(PageTableEntry(machine.memory.read(shadow.frame.entryAddress(index: index))), &machine)
      }
    }
  }

  /// Makes the shadow entry with an index for a stored guest entry at once: a leaf, or a link to a shadow that exists.
  mutating func renew(
    _ place: MachineAddress, _ index: Int, _ cpu: borrowing VirtualCPU, _ machine: inout MachineState
  ) {
    machine.countExamined()
    guard let key = pages[place.page]?.key, let guest = key.guestEntry(index, cpu.guestControls, &machine) else {
      return
    }
    let level = key.level
    if level == 1 {
      if makeAhead(guest, key.role, at: place, cpu, &machine) { machine.counters.prefetched += 1 }
      return
    }
    guard guest.pointsToTable(level: level), guest.isAccessed,
      guest.reservedBits(level: level, under: cpu.guestControls) == 0,
      let below = key.below(index, guest.frame).flatMap({ frames[$0] }), !leadsToGuarded(place, machine)
    else { return }
    let flags = key.role.grants(guest, isLeaf: false)
    pages[below]?.parents.append(place)
    machine.memory.write(place, PageTableEntry(frame: below, flags).raw)
  }
}
