import Paging
import XCTest

@testable import Machine

/// State low: who is above what it may have waits, the others run, and nobody waits for nothing.
final class HostWaitingTests: XCTestCase {
  private func member(_ guest: Guest, _ mode: Mode, shares: UInt64 = 1000) -> HostRun.Member {
    var member = HostRun.Member(guest: guest, mode: mode)
    member.machine.name = "\(shares)"
    member.machine.shares = shares
    return member
  }

  private func host(frames: UInt64, rate: Int?) -> HostSettings {
    var settings = HostSettings(memory: frames << 12)
    settings.reclaimRate = rate
    return settings
  }

  /// A machine that asks for more than can be taken in time waits; the one that has no more than its share does not, and the
  /// blocked one has done nothing meanwhile.
  func testWhoIsAboveItsTargetWaits() throws {
    for mode in HostTests.modes {
      var run = HostRun(
        members: [
          member(HostTests.sweeper(600, rounds: 2), mode, shares: 1),
          member(HostTests.sweeper(30, rounds: 60), mode, shares: 1_000_000),
        ], settings: host(frames: 400, rate: 2))
      run.quantum = 40
      var (last, wasBlocked, ran) = (UInt64(0), false, 0)
      let outcomes = try run.outcomes { host, simulations in
        if let problem = host.violatedInvariant() { throw HostProblem(description: problem) }
        let operations = simulations[0].counters.operations
        if operations != last { XCTAssertFalse(wasBlocked, "\(mode): it runs above its target in state low") }
        if wasBlocked && simulations[1].counters.operations > 0 { ran += 1 }
        (last, wasBlocked) = (operations, host.isBlocked(0))
      }
      XCTAssertGreaterThan(outcomes[0].counters.hostWaits, 20, "\(mode)")
      XCTAssertEqual(outcomes[1].counters.hostWaits, 0, "\(mode): it has what it may have")
      XCTAssertGreaterThan(ran, 20)
      XCTAssertEqual(outcomes.map(\.divergences.count), [0, 0])
    }
  }

  /// What may be taken during a turn is limited; without a limit memory never falls so low.
  func testOnlyALimitOfWhatCanBeTakenLeadsToStateLow() throws {
    for (rate, isLow) in [(nil, false), (1, true), (4, true), (1000, false)] as [(Int?, Bool)] {
      var run = HostRun(
        members: [member(HostTests.sweeper(600, rounds: 2), .nested)], settings: host(frames: 400, rate: rate))
      run.quantum = 40
      var low: UInt64 = 0
      let outcomes = try run.outcomes { host, _ in low = host.changes[.low] ?? 0 }
      XCTAssertEqual(low > 0, isLow, "\(rate ?? 0)")
      XCTAssertEqual(outcomes[0].counters.hostWaits > 0, isLow, "\(rate ?? 0)")
      XCTAssertEqual(outcomes[0].counters.operations, UInt64(run.members[0].guest.items.count))
    }
  }

  /// If all are above their targets, all wait, and all come to their end.
  func testAllWaitAndAllGoOn() throws {
    for mode in HostTests.modes {
      let guest = HostTests.sweeper(300, rounds: 3)
      var run = HostRun(
        members: (0..<3).map { _ in member(guest, mode) }, settings: host(frames: 400, rate: 1))
      run.quantum = 60
      let outcomes = try run.outcomes { host, _ in
        if let problem = host.violatedInvariant() { throw HostProblem(description: problem) }
      }
      for outcome in outcomes {
        XCTAssertGreaterThan(outcome.counters.hostWaits, 0, "\(mode)")
        XCTAssertEqual(outcome.counters.operations, UInt64(guest.items.count))
      }
    }
  }

  /// Nothing can be taken from a domain under direct paging: while it waits, its balloon driver gives what it is asked for.
  func testDriverOfADomainRunsWhileItWaits() throws {
    var idle = Guest()
    for page in 0..<40 as Range<UInt64> { idle.write(0x10_0000 + page << 12) }
    for _ in 0..<600 { idle.append(.switchProcess, 1) }
    var domain = HostRun.Member(guest: idle, mode: .direct, kind: .process)
    domain.machine = VirtualMachine(name: "domain")
    domain.machine.size = 400 << 12
    XCTAssertNil(domain.settings.set("balloon.second", to: "20"))
    var other = member(HostTests.sweeper(100, rounds: 8), .nested)
    other.machine.minimum = 120 << 12
    var run = HostRun(members: [domain, other], settings: host(frames: 600, rate: nil), overhead: 0)
    run.quantum = 20
    var held = 0
    let outcomes = try run.outcomes { host, simulations in
      guard held == 0, host.members[0].target != nil else { return }
      held = host.frames.resident[0].count
      let operations = simulations[0].counters.operations
      // As if an exit had taken nearly all that is free.
      host.updateState(free: 0)
      XCTAssertTrue(host.isBlocked(0))
      XCTAssertTrue(try simulations[0].waits())
      XCTAssertLessThan(host.frames.resident[0].count, held)
      XCTAssertEqual(simulations[0].counters.operations, operations)
    }
    XCTAssertGreaterThan(held, 0)
    XCTAssertEqual(outcomes[0].counters.hostWaits, 1)
    XCTAssertEqual(outcomes[0].counters.hostSwapOuts, 0)
  }
}
