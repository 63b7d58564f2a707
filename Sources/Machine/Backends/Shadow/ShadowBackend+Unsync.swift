internal import Paging

/// Level-1 tables that the guest may store to unseen, until it flushes (semantics of KVM's unsync pages).
///
/// That is correct as a TLB's staleness is: whoever takes a right away must flush, and each flush of any CPU brings the
/// shadows into step. What needs no flush, a new link to a table, brings them into step too.
extension ShadowBackend {
  /// Each table that is out of step is read when the guest flushes, and may have to come back for that.
  var furtherFrames: Int { 2 * unsynced.count }

  mutating func letGo(_ page: PPN, _ machine: inout MachineState) {
    guard design.onStore == .unsync, tracedLevels[page.raw] == 1 << 1 else { return }
    guard machine.traces.watchers(of: page, .all) == [.shadowTables] else { return }
    machine.traces.unwatch(page, for: .shadowTables)
    unsynced.append(page)
    machine.counters.shadowPagesUnsynced += 1
  }

  /// Watches all tables again that are out of step, and drops the shadow entries that are no longer the guest's.
  mutating func resyncAll(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard !unsynced.isEmpty else { return }
    let tables = unsynced
    unsynced = []
    for page in tables {
      watch(page, &cpu, &machine)
      for index in 0..<512 { resync(page, index, cpu.guestControls, &machine) }
      machine.counters.shadowPagesResynced += 1
    }
  }

  /// Brings the entries that an address uses into step, in whatever table they are; the tables stay unwatched.
  mutating func resyncEntries(
    of address: VirtualAddress, _ cpu: borrowing VirtualCPU, _ machine: inout MachineState
  ) {
    guard !unsynced.isEmpty, address.isCanonical(levels: cpu.registers.levels) else { return }
    for page in unsynced { resync(page, Int(address.tableIndex(level: 1)), cpu.guestControls, &machine) }
  }

  private mutating func resync(
    _ page: PPN, _ index: Int, _ controls: PagingControls, _ machine: inout MachineState
  ) {
    for (key, frame) in shadows(of: page) where key.level == 1 { resync(key, frame, index, controls, &machine) }
  }

  private mutating func resync(
    _ key: ShadowPage.Key, _ frame: MPN, _ index: Int, _ controls: PagingControls, _ machine: inout MachineState
  ) {
    let place = frame.entryAddress(index: index)
    let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
    guard entry.isPresent else { return }
    machine.countExamined()
    guard let guest = key.guestEntry(index, controls, &machine) else { return }
    let granted = PageTableEntry<MachineSpace>(
      key.role.grants(guest, isLeaf: true, isForStores: entry.contains(ShadowMark.turned)).rawValue)
    let isSame =
      guest.isPresent && guest.isAccessed && machine.backs(entry.frame, guest.frame)
      && granted.isUser == entry.isUser && granted.isNoExecute == entry.isNoExecute
      && guest.isGlobal == entry.isGlobal && (!entry.isWritable || granted.isWritable)
    if !isSame { drop(place, level: 1, &machine) }
  }
}
