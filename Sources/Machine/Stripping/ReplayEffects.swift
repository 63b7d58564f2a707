internal import Paging

/// What operations have done that a stripped trace must not leave out.
struct ReplayEffects {
  /// Faults, true or hidden, and exits.
  var faultsAndExits: UInt64
  var drops: DropLog
  /// Nested table, VPID and PCID that the CPU runs with.
  var context: UInt64
  /// Size of the guest's page that a walk found last.
  var latestSize: PageSize
  /// The modelled guest kernel has taken pages back.
  var hasReclaimed: Bool
}

extension ProcessorBox where MMU: ~Copyable {
  func takeEffects() -> ReplayEffects {
    let counters = processor.machine.counters
    let faults = counters.trueFaults + counters.hiddenFaults + counters.generalProtections
    let effects = ReplayEffects(
      faultsAndExits: faults + counters.exits + counters.monitorCalls,
      drops: processor.cpus.running.dropLog ?? DropLog(), context: processor.cpus.running.context,
      latestSize: processor.cpus.running.latestSize, hasReclaimed: counters.guestPagesReclaimed > 0)
    processor.cpus.running.dropLog?.clear()
    return effects
  }
}
