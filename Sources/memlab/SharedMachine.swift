import Machine
import Paging

/// Traces that share one machine, and take turns on it: as domains under Xen, or as virtual machines on a host.
struct SharedMachine {
  /// One of them, with its place.
  struct Member {
    var pass: Pass
    var place: Place
  }

  /// Where a simulation runs beside others.
  enum Place {
    case domain(XenHost)
    case machine(Host, VirtualMachine)
  }

  let members: [Member]
  /// Operations of a turn.
  let quantum: UInt64

  /// Replays all of them to their ends; `report` hears of each one's operations and share.
  /// `afterRound` hears of what they have counted, and of each one's operations, after each round of turns.
  func run(
    report: (Int, UInt64, Double?) -> Void, afterRound: ([Counters]) throws(Failure) -> Void = { _ throws(Failure) in }
  ) throws(Failure) -> [Outcome] {
    var replays: [TurnReplay] = []
    for member in members { replays.append(try TurnReplay(member.pass, on: member.place)) }
    while replays.contains(where: { !$0.hasEnded }) {
      if Cancellation.isOn { throw Failure(.interrupted, "") }
      for (index, replay) in replays.enumerated() where !replay.hasEnded {
        if try !replay.waits() { try replay.takeTurn(of: quantum) }
        report(index, replay.operations, replay.hasEnded ? 1 : replay.fraction)
        if case .machine(let host, _) = members[index].place, members[index].pass.command.checks,
          let problem = host.problem
        {
          throw Failure(.internalError, "operation \(replay.operations) of \(members[index].pass.name): \(problem)")
        }
      }
      try afterRound(replays.map(\.counters))
    }
    var outcomes: [Outcome] = []
    for replay in replays { outcomes.append(try replay.outcome()) }
    return outcomes
  }
}
