import Paging

@testable import Machine

/// Several guests that take turns on a host.
struct HostRun {
  struct Member {
    var guest: Guest
    var mode: Mode
    var settings = Settings()
    var kind = TraceHeader.Guest.scenario
    var machine = VirtualMachine(name: "a")
  }

  var members: [Member]
  var settings: HostSettings
  var machine = MachineDescription.roomy
  /// Operations of a turn.
  var quantum = 16
  var checks = true
  var overhead = Host.overheadFrames

  /// What each guest gave; `host` is called after each turn.
  func outcomes(_ afterTurn: (Host, [Simulation]) throws -> Void = { _, _ in }) throws -> [Outcome] {
    let host = Host(settings, overhead: overhead)
    var simulations: [Simulation] = []
    for member in members {
      var configuration = Configuration(mode: member.mode, machine: machine, guest: member.kind)
      configuration.settings = member.settings
      configuration.checks = checks
      configuration.recordsEvents = true
      simulations.append(try Simulation(configuration, on: host, as: member.machine))
    }
    var next = members.map { _ in 0 }
    while zip(next, members).contains(where: { $0 < $1.guest.items.count }) {
      for index in members.indices where next[index] < members[index].guest.items.count {
        if try simulations[index].waits() {
          try afterTurn(host, simulations)
          continue
        }
        var batch = OperationBatch()
        batch.removeAll(first: UInt64(next[index]))
        while batch.count < quantum, next[index] < members[index].guest.items.count {
          let item = members[index].guest.items[next[index]]
          item.append(to: &batch)
          next[index] += 1
        }
        try simulations[index].replay(batch)
        try afterTurn(host, simulations)
      }
    }
    var outcomes: [Outcome] = []
    for simulation in simulations {
      try simulation.finish()
      outcomes.append(
        Outcome(
          counters: simulation.counters, events: simulation.takeEvents(), divergences: simulation.divergences,
          tables: simulation.guestTables()))
    }
    return outcomes
  }
}

/// A broken promise of a host, as an error.
struct HostProblem: Error, CustomStringConvertible {
  var description: String
}
