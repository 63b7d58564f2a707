internal import Paging

/// The rounds of the dirty log.
extension Processor where MMU: ~Copyable {
  /// Something of the log is due before the operation that comes next.
  mutating func turnDirtyLog(at operation: UInt64) {
    machine.operation = operation
    // Before the machine starts there is nothing to log; `start` lets it begin.
    if hasStarted {
      if machine.dirtyLog.isOn {
        harvest(at: operation)
      } else {
        machine.beginDirtyLog()
        backend.beganDirtyLog(&cpus.running, &machine)
        beginToObserve()
      }
    }
    if machine.dirtyLog.phase != .off { machine.dirtyLog.advance() }
  }

  /// The first CPU is about to start: a log that is due begins, before there are mappings.
  mutating func beginDirtyLogAtStart() {
    guard machine.dirtyLog.phase == .waiting, machine.operation >= UInt64(machine.dirtyLog.settings.start) else {
      return
    }
    machine.beginDirtyLog()
    beginToObserve()
  }

  /// At the end of the replay: the last round, if anything has happened in it.
  mutating func endDirtyLog() {
    let next = machine.counters.operations
    guard hasStarted, machine.dirtyLog.hasOpenRound(at: next) else { return }
    machine.operation = next
    harvest(at: next)
  }

  private mutating func harvest(at operation: UInt64) {
    backend.harvestDirtyLog(&cpus.running, &machine)
    machine.checkRound()
    machine.countHarvest(cpus.running.index)
    let last = machine.dirtyLog.settings.rounds
    if last > 0 && machine.counters.dirtyLogRounds == UInt64(last) {
      machine.endDirtyLog()
      backend.endedDirtyLog(&cpus.running, &machine)
      machine.observer = nil
    }
    leaveMonitor()
  }

  private mutating func beginToObserve() {
    guard oracle != nil else { return }
    machine.observer = StoreObserver()
    machine.memory.forgetWritten(observes: true)
  }
}
