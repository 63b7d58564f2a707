import Paging
import XCTest

@testable import Machine

/// Random guests of every mode on one host that has too little memory for them: each meets the faults that it meets on a
/// machine of its own, finds in its memory what it stored there, and no frame is ever two machines'.
final class HostDifferentialTests: XCTestCase {
  private static let modes: [Mode] = [.nested, .shadow, .emulatedTLB]

  func testGuestsMeetTheFaultsThatTheyMeetAlone() throws {
    var swapped: UInt64 = 0
    let seeds = seeds(12)
    for seed in seeds {
      var random = SplitMix64(seed: seed &* 0x5000_0009)
      let count = 2 + random.below(3)
      let plans = (0..<count).map { Plan(.flushing, seed: seed &* 10 &+ UInt64($0)) }
      let worlds = plans.map { World($0, $0.steps()) }
      let members = zip(plans, worlds).map { plan, world in
        HostRun.Member(guest: world.guest, mode: random.pick(Self.modes), settings: Self.settings(plan))
      }
      let run = Self.run(members, plans[0].machine, &random)
      guard let outcomes = check(run, seed) else { return }
      for (outcome, world) in zip(outcomes, worlds) {
        XCTAssertEqual(outcome.faults, world.expected, "seed \(seed)")
        swapped += outcome.counters.hostSwapOuts
      }
    }
    // The test is of guests that are short of memory; a few seeds need not show it.
    if seeds.count >= 12 { XCTAssertGreaterThan(swapped, 30) }
  }

  func testProcessesFindWhatTheyStored() throws {
    var (swapped, ballooned, merged, broken) = (UInt64(0), UInt64(0), UInt64(0), UInt64(0))
    let seeds = seeds(8)
    for seed in seeds {
      var random = SplitMix64(seed: seed &* 0x7000_0001)
      let plans = (0..<2 + random.below(3)).map {
        ProcessPlan($0 % 4 < 2 ? .plain : .pressed, seed: seed &* 10 &+ UInt64($0) / 2)
      }
      var members: [HostRun.Member] = []
      var native: [[Fault]] = []
      var signals: [[UInt64]] = []
      for plan in plans where plan.settings().guest.directMap == nil {
        let program = ProcessProgram(plan, plan.steps())
        // Who runs out of memory does so in every mode.
        guard let alone = try? program.guest.run(.native, on: plans[0].machine, plan.settings(), as: .process) else {
          continue
        }
        native.append(alone.faults)
        signals.append(Self.signals(alone))
        var member = HostRun.Member(
          guest: program.guest, mode: random.pick(Self.modes), settings: plan.settings(), kind: .process)
        // A die of its own, so that the others stay what they were.
        var die = SplitMix64(seed: plan.seed &* 0x9000_000d)
        if plan.flavour == .pressed && die.oneIn(2) {
          member.mode = .direct
          member.machine.size = plan.ram
        }
        members.append(member)
      }
      let run = Self.run(members, plans[0].machine, &random)
      guard let outcomes = check(run, seed) else { return }
      for (index, outcome) in outcomes.enumerated() {
        // A balloon makes the guest's kernel take pages away that it would have left.
        if !run.settings.hasBalloons { XCTAssertEqual(outcome.faults, native[index], "seed \(seed)") }
        XCTAssertEqual(Self.signals(outcome), signals[index], "seed \(seed)")
        (merged, broken) = (merged + outcome.counters.hostMerges, broken + outcome.counters.hostShareBreaks)
        ballooned += outcome.counters.balloonGiven
        swapped += outcome.counters.hostSwapIns
      }
    }
    guard seeds.count >= 8 else { return }
    XCTAssertGreaterThan(swapped, 10)
    XCTAssertGreaterThan(ballooned, 30)
    XCTAssertGreaterThan(merged, 30)
    XCTAssertGreaterThan(broken, 10)
  }

  private static func signals(_ outcome: Outcome) -> [UInt64] {
    outcome.events.filter { $0.kind == .signal }.map(\.operation)
  }

  /// Runs with checks, which must find nothing, and without, which must count the same.
  private func check(_ run: HostRun, _ seed: UInt64) -> [Outcome]? {
    let name = "MEMLAB_SEED=\(seed) \(run.members.map(\.mode.rawValue))"
    var run = run
    do {
      try tighten(&run)
      let outcomes = try run.outcomes { host, _ in
        if let problem = host.violatedInvariant() { throw HostProblem(description: problem) }
      }
      for outcome in outcomes {
        if let divergence = outcome.divergences.first {
          XCTFail("\(name): \(divergence.operation): expected \(divergence.expected), found \(divergence.found)")
          return nil
        }
      }
      var unchecked = run
      unchecked.checks = false
      for (outcome, plain) in zip(outcomes, try unchecked.outcomes()) {
        var counters = outcome.counters
        counters.staleHits = 0
        if counters != plain.counters {
          XCTFail("\(name): \(counters) with checks, \(plain.counters) without")
          return nil
        }
      }
      return outcomes
    } catch {
      XCTFail("\(name): \(error)")
      return nil
    }
  }

  /// The least memory with which the host can go on to the end, by steps of some frames.
  private func tighten(_ run: inout HostRun) throws {
    for _ in 0..<40 {
      do {
        run.checks = false
        _ = try run.outcomes()
        run.checks = true
        return
      } catch let error as ReplayError where error.message.contains("cannot get another page") {
        run.settings.memory += 24 << 12
      }
    }
  }

  private static func settings(_ plan: Plan) -> Settings {
    var settings = plan.settings(isExact: false)
    settings.nested = plan.nested
    if settings.nested.levels < 4 { settings.nested.levels = 4 }
    settings.nested.page = .small
    settings.traces = TraceSettings()
    return settings
  }

  /// A host whose memory is not enough for all of them.
  private static func run(
    _ members: [HostRun.Member], _ machine: MachineDescription, _ random: inout SplitMix64
  ) -> HostRun {
    // A domain under direct paging has all of its memory, and a frame for each table of its port's.
    let owned = members.filter { $0.mode == .direct }.reduce(0) { $0 + Int(($1.machine.size ?? 0) >> 12) + 16 }
    let frames = 64 + members.count * (16 + random.below(members.first?.kind == .process ? 30 : 8))
    var settings = HostSettings(memory: UInt64(frames + owned) << 12)
    settings.seed = random.next()
    settings.samplePeriod = random.pick([7, 50, 1000])
    settings.sampleSize = random.pick([1, 5, 100])
    settings.idleTax = random.pick([0, 0.75])
    settings.scannedPages = random.pick([0, 3, 40])
    settings.hasBalloons = random.oneIn(2)
    settings.processors = random.pick([nil, 1, 2])
    settings.reclaimRate = random.pick([nil, nil, 1, 5])
    var members = members
    for index in members.indices {
      members[index].machine.name = "m\(index)"
      members[index].machine.shares = random.pick([1, 1000, 1000, 5000])
    }
    return HostRun(
      members: members, settings: settings, machine: machine, quantum: random.pick([1, 7, 40]), overhead: 0)
  }
}
