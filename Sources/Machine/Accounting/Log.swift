internal import Paging

/// Events, if somebody wants them, and the first divergences.
struct Log {
  let recordsEvents: Bool
  let recordsRounds: Bool
  private(set) var events: [Event] = []
  private(set) var divergences: [Divergence] = []
  private(set) var rounds: [DirtyRound] = []

  /// Divergences that are kept; all are counted.
  private static var keptDivergences: Int { 20 }

  init(recordsEvents: Bool, recordsRounds: Bool = false) {
    self.recordsEvents = recordsEvents
    self.recordsRounds = recordsRounds
  }

  mutating func append(_ event: @autoclosure () -> Event) {
    if recordsEvents { events.append(event()) }
  }

  mutating func append(_ divergence: Divergence) {
    if divergences.count < Self.keptDivergences { divergences.append(divergence) }
  }

  mutating func append(_ round: DirtyRound) {
    if recordsRounds { rounds.append(round) }
  }

  mutating func takeRounds() -> [DirtyRound] {
    defer { rounds = [] }
    return rounds
  }

  mutating func takeEvents() -> [Event] {
    defer { events.removeAll(keepingCapacity: true) }
    return events
  }
}

/// The class of a hidden fault: why the present entry of the hypervisor's table was not enough.
enum HiddenCause: String {
  /// There was none.
  case fill
  /// It was read-only for a memory trace.
  case trace
  /// It was read-only because the guest's D bit is clear.
  case dirty
  /// The physical page had no machine frame.
  case host
  case other
}

extension MachineState {
  /// Books a hidden fault: an exit that the guest never sees. `page` is the physical page that the access went to.
  mutating func count(_ cause: HiddenCause, _ fault: HardwareFault?, _ page: PPN?, cost: UInt64, _ cpu: Int) {
    counters.exitFault += 1
    let cycles = tolls.fault.cycles + cost
    switch cause {
    case .fill:
      counters.hiddenFill += 1
      counters.cycles.fill += cycles
    case .trace:
      counters.hiddenTrace += 1
      counters.cycles.trace += cycles
    case .dirty:
      counters.hiddenDirty += 1
      counters.cycles.dirty += cycles
    case .host:
      counters.hiddenHost += 1
      counters.cycles.host += cycles
    case .other:
      counters.hiddenOther += 1
      counters.cycles.other += cycles
    }
    guard log.recordsEvents else { return }
    var event = Event(operation: operation, cpu: cpu, kind: .hiddenFault, cause: cause.rawValue)
    event.virtual = fault?.address
    if let page { event.physical = PhysicalAddress(page.address.raw | (fault?.address.offset ?? 0)) }
    if let nested = fault?.nested { (event.physical, event.result) = (nested.place, nested.description) }
    event.code = fault?.code
    log.append(event)
  }

  /// Books a page fault that the guest sees. An exit is the caller's to book.
  mutating func countTrueFault(_ fault: PageFault, _ cpu: Int) {
    counters.trueFaults += 1
    counters.cycles.delivery += description.costs.faultDelivery
    guard log.recordsEvents else { return }
    let cause = fault.code.contains(.reserved) ? "reserved" : fault.code.contains(.present) ? "rights" : "not-present"
    var event = Event(operation: operation, cpu: cpu, kind: .trueFault, cause: cause)
    event.virtual = fault.address
    event.code = fault.code
    log.append(event)
  }

  mutating func diverge(expected: String, found: String) {
    counters.divergences += 1
    log.append(Divergence(operation: operation, expected: expected, found: found))
  }
}
