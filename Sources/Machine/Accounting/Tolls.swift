/// How an operation of the guest reaches the monitor.
enum MonitorEntry: Hashable {
  /// By a trap: an exit.
  case exit
  /// By a call that the translator has put in the operation's place: no exit.
  case call
  /// By the guest's own asking, which counts as an exit of the class hypercall.
  case hypercall
  /// Not at all.
  case none
}

/// What one class of intercepted operations costs.
struct Toll: Hashable {
  var entry: MonitorEntry
  /// Cycles of the way in and out and of the handling, but for what is counted apart (fills, emulation, validation).
  var cycles: UInt64

  init(_ entry: MonitorEntry, _ cycles: UInt64) {
    self.entry = entry
    self.cycles = cycles
  }
}

/// What a technique lets each class of operations cost, from the machine's constants.
struct Tolls: Hashable {
  var cr3: Toll
  var invlpg: Toll
  /// CR0, CR4, EFER, INVPCID.
  var control: Toll
  /// A page fault, hidden or true: the way in and out alone.
  var fault: Toll
  /// On top of that, handing a true fault to the guest.
  var delivery: UInt64
  /// Vectors from 32 on: interrupts (SDM 3A 7.2).
  var interrupt: Toll
  /// Vectors below 32 but 14: other exceptions.
  var exception: Toll

  init(_ technique: Technique, _ costs: Costs) {
    switch technique {
    case .none:
      self.init(Toll(.exit, costs.exit + costs.intercept), fault: costs.exit, delivery: costs.injection)
    case .trapAndEmulate:
      // All that is privileged, or reaches the processor's tables of vectors, traps to the monitor by an exception.
      self.init(Toll(.exit, costs.trap + costs.intercept), fault: costs.trap, delivery: costs.reflection)
      interrupt = Toll(.exit, costs.trap + costs.reflection)
      exception = interrupt
    case .binaryTranslation:
      self.init(Toll(.call, costs.callout), fault: costs.trap, delivery: costs.reflection)
      interrupt = Toll(.exit, costs.trap + costs.reflection)
      exception = interrupt
    case .paravirtual:
      // Xen's bounce of an exception is measured whole: in, to the guest's handler, and the hypercall that it returns by.
      self.init(Toll(.hypercall, costs.hypercall), fault: costs.hypercall, delivery: 0)
      interrupt = Toll(.exit, costs.hypercall)
      exception = interrupt
    case .hardwareAssisted:
      // The guest has vectors of its own: only what comes from outside leaves it (SDM 3C 26.2).
      self.init(Toll(.exit, costs.exit + costs.intercept), fault: costs.exit, delivery: costs.injection)
      interrupt = Toll(.exit, costs.exit + costs.intercept)
    }
  }

  private init(_ register: Toll, fault: UInt64, delivery: UInt64) {
    (cr3, invlpg, control) = (register, register, register)
    self.fault = Toll(.exit, fault)
    self.delivery = delivery
    (interrupt, exception) = (Toll(.none, 0), Toll(.none, 0))
  }
}

extension Technique {
  /// What the technique is in a mode: bare hardware has no monitor, nested paging comes with hardware assistance alone,
  /// and direct paging is what a paravirtual kernel does.
  func effective(in mode: Mode) -> Technique {
    switch mode {
    case .native: .none
    case .emulatedTLB, .shadow: self
    case .nested: self == .none ? .none : .hardwareAssisted
    case .direct: self == .none ? .none : .paravirtual
    }
  }
}

extension MachineState {
  /// Books the exit of a page fault that the guest gets.
  mutating func countTrueFaultExit() {
    counters.exitFault += 1
    counters.cycles.trueFault += tolls.fault.cycles + tolls.delivery
  }

  /// Books an intercepted instruction: an exit of a class, a call or a hypercall.
  mutating func countExit(_ counter: WritableKeyPath<Counters, UInt64>, _ cause: String, _ value: UInt64, _ cpu: Int) {
    let toll: Toll
    switch counter {
    case \.exitCR3:
      toll = tolls.cr3
      counters.cycles.cr3 += toll.cycles
    case \.exitInvlpg:
      toll = tolls.invlpg
      counters.cycles.invlpg += toll.cycles
    default:
      toll = tolls.control
      counters.cycles.control += toll.cycles
    }
    switch toll.entry {
    case .exit: counters[keyPath: counter] += 1
    case .hypercall:
      counters.hypercalls += 1
      counters.exitHypercall += 1
    case .call: counters.monitorCalls += 1
    case .none: break
    }
    guard log.recordsEvents, toll.entry == .exit || toll.entry == .hypercall else { return }
    var event = Event(operation: operation, cpu: cpu, kind: toll.entry == .exit ? .exit : .hypercall, cause: cause)
    event.value = value
    log.append(event)
  }

  /// Books a hypercall that the hypervisor does not have.
  mutating func countUnknownHypercall(_ text: String, _ cpu: Int) {
    counters.hypercalls += 1
    counters.exitHypercall += 1
    counters.cycles.hypercall += description.costs.hypercall
    logHypercall(text, result: "-38", cpu)
  }

  /// Notes what came of a hypercall.
  mutating func logHypercall(_ text: String, result: String, _ cpu: Int) {
    guard log.recordsEvents else { return }
    var event = Event(operation: operation, cpu: cpu, kind: .hypercall, cause: text)
    event.result = result
    log.append(event)
  }

  /// Books an interrupt, or an exception that is no page fault, if it enters the monitor.
  mutating func countInterrupt(vector: UInt16, _ cpu: Int) {
    let toll = vector < 32 ? tolls.exception : tolls.interrupt
    guard toll.entry == .exit else { return }
    counters.exitInterrupt += 1
    counters.cycles.interrupt += toll.cycles
    var event = Event(operation: operation, cpu: cpu, kind: .exit, cause: "interrupt")
    event.value = UInt64(vector)
    log.append(event)
  }
}
