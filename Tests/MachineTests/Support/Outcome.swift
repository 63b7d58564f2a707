import Paging

@testable import Machine

/// What a run of a ``Guest`` gave.
struct Outcome {
  var counters: Counters
  var events: [Event]
  var divergences: [Divergence]
  var tables: [UInt64: UInt64]
  var rounds: [DirtyRound] = []
  /// Tags and data of what the TLBs hold in the end.
  var translations: Set<[UInt64]> = []

  /// True faults in order, as far as the guest sees them.
  var faults: [Fault] {
    events.filter { $0.kind == .trueFault }.map {
      Fault(operation: $0.operation, va: $0.virtual?.raw ?? $0.value ?? 0, code: $0.code?.rawValue)
    }
  }
  /// Causes of hidden faults in order.
  var hidden: [String] { events.filter { $0.kind == .hiddenFault }.map(\.cause) }

  /// The tables without A and D.
  var rights: [UInt64: UInt64] { tables.mapValues { $0 & ~0x60 } }
}

/// A fault as the guest sees it; without code: a general-protection fault.
struct Fault: Hashable, CustomStringConvertible {
  var operation: UInt64
  var va: UInt64
  var code: UInt32?

  var description: String {
    "#\(operation) va \(String(va, radix: 16)) code \(code.map { String($0, radix: 16) } ?? "GP")"
  }
}

extension Guest {
  /// Replays the program. `batch`: operations a batch; the backend's invariants are checked after each.
  func run(
    _ mode: Mode, on machine: MachineDescription = MachineDescription(), _ settings: Settings = Settings(),
    as guest: TraceHeader.Guest = .scenario, checks: Bool = true, batch size: Int = 64
  ) throws -> Outcome {
    var configuration = Configuration(mode: mode, machine: machine, guest: guest)
    configuration.settings = settings
    configuration.checks = checks
    configuration.recordsEvents = true
    configuration.recordsDirtyRounds = true
    let simulation = try Simulation(configuration)
    var batch = OperationBatch()
    for (number, item) in items.enumerated() {
      if batch.count == size || batch.isFull {
        try simulation.replay(batch)
        batch.removeAll(first: UInt64(number))
      }
      item.append(to: &batch)
    }
    try simulation.replay(batch)
    try simulation.finish()
    return Outcome(
      counters: simulation.counters, events: simulation.takeEvents(), divergences: simulation.divergences,
      tables: simulation.guestTables(), rounds: simulation.takeDirtyRounds(),
      translations: Set(simulation.tlbEntries.map { [$0.tag, $0.data] }))
  }
}

extension MachineDescription {
  /// Caches of everything, so large that nothing is ever evicted in a test.
  static var roomy: MachineDescription {
    var machine = MachineDescription(name: "roomy")
    machine.hasFiveLevels = true
    machine.l1Data = [TLBGeometry(PageSize.allCases, sets: 16, ways: 8)]
    machine.l1Instruction = [TLBGeometry(PageSize.allCases, sets: 16, ways: 8)]
    machine.l2 = [TLBGeometry(PageSize.allCases, sets: 64, ways: 16)]
    machine.pagingStructureCaches = [2: 64, 3: 64, 4: 64, 5: 64]
    return machine
  }

  /// A few entries, in numbers that are no powers of two, so that evictions are common.
  static var tight: MachineDescription {
    var machine = MachineDescription(name: "tight")
    machine.hasFiveLevels = true
    machine.l1Data = [TLBGeometry([.small], sets: 3, ways: 1), TLBGeometry([.large, .huge], sets: 1, ways: 2)]
    machine.l1Instruction = [TLBGeometry(PageSize.allCases, sets: 1, ways: 2)]
    machine.l2 = [TLBGeometry([.small, .large], sets: 5, ways: 2), TLBGeometry([.huge], sets: 1, ways: 1)]
    machine.pagingStructureCaches = [2: 2, 3: 2, 4: 1]
    return machine
  }

  /// TLBs alone.
  static var plainTLB: MachineDescription {
    var machine = roomy
    machine.pagingStructureCaches = [:]
    return machine
  }

  static var bareFiveLevels: MachineDescription {
    var machine = MachineDescription()
    machine.hasFiveLevels = true
    return machine
  }
}
