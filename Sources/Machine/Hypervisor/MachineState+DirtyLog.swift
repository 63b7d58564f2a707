internal import Paging

/// What the hypervisor does for the dirty log in every mode.
extension MachineState {
  /// Logging begins. Mappings that there are have to follow.
  mutating func beginDirtyLog() {
    dirtyLog.begin(at: operation)
    if dirtyLog.settings.method == .writeProtection { traces.log(below: ramPages) }
  }

  /// Logging ends. Mappings have to follow.
  mutating func endDirtyLog() {
    dirtyLog.end()
    traces.log(below: 0)
  }

  /// A store to a page was carried out, or is, by the hypervisor: it marks the page itself.
  mutating func markStored(_ page: PPN) {
    if dirtyLog.isOn && !isDevice(page) && !dropsStores(to: page) { dirtyLog.insert(page) }
  }

  /// The log has seen the first store to a page in this round, and need see no other.
  mutating func release(_ page: PPN) {
    guard !dropsStores(to: page) else { return }
    dirtyLog.insert(page)
    dirtyLog.noteReleased(page)
    traces.release(page)
  }

  /// The walker must write to a page of the guest's tables: only the log hears of it.
  mutating func logWalkersStore(to page: PPN) {
    guard traces.isLogged(page) else { return }
    counters.traceFaultsDirtyLog += 1
    noteLogExit()
    release(page)
  }

  /// Books an exit that nobody but the log has caused.
  mutating func noteLogExit() {
    counters.dirtyLogExits += 1
    counters.dirtyLogCycles += tolls.fault.cycles + description.costs.fill
  }

  /// Books entries that the log looks at.
  mutating func countLogged(entries: Int) {
    let cycles = UInt64(entries) * description.costs.examine
    counters.dirtyLogExamined += UInt64(entries)
    counters.dirtyLogCycles += cycles
    counters.cycles.dirtyLog += cycles
  }

  /// Write protection: all that has been released is to be seen again. Returns it in order.
  mutating func watchReleased() -> [PPN] {
    let pages = dirtyLog.takeReleased().sorted { $0.raw < $1.raw }
    for page in pages { traces.logAgain(page) }
    countLogged(entries: pages.count)
    return pages
  }

  /// Books the harvest of a round: an exit, for the CPU must leave the guest.
  mutating func countHarvest(_ cpu: Int) {
    var round = dirtyLog.close(at: operation)
    let cycles = description.costs.exit + description.costs.intercept
    counters.exitOther += 1
    counters.cycles.dirtyLog += cycles
    counters.dirtyLogCycles += cycles
    counters.dirtyLogRounds += 1
    counters.dirtyLogPages += UInt64(round.pages.count)
    counters.dirtyLogPagesPeak = max(counters.dirtyLogPagesPeak, UInt64(round.pages.count))
    (round.exits, round.invepts, round.cycles) = (
      counters.dirtyLogExits - harvested.exits, counters.invepts - harvested.invepts,
      counters.dirtyLogCycles - harvested.cycles
    )
    harvested = (counters.dirtyLogExits, counters.invepts, counters.dirtyLogCycles)
    log.append(round)
    var event = Event(operation: operation, cpu: cpu, kind: .exit, cause: "dirty-log")
    event.value = UInt64(round.pages.count)
    event.result = "round \(round.number)"
    log.append(event)
  }
}
