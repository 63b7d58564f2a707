import Paging
import XCTest

@testable import Machine

/// Random process traces: every mode gives the same faults and signals, which a plain model foretells, and each process
/// finds in its memory what it stored there.
final class ProcessDifferentialTests: XCTestCase {
  func testEveryFaultIsForetold() { check(.plain, 20) }

  func testMemoryPressure() { check(.pressed, 25) }

  func testLargePages() { check(.large, 3) }

  private func check(_ flavour: ProcessPlan.Flavour, _ count: Int) {
    for seed in seeds(count) {
      let plan = ProcessPlan(flavour, seed: seed)
      let steps = plan.steps()
      guard problem(plan, steps) != nil else { continue }
      let least = shrink(steps) { problem(plan, $0) != nil }
      XCTFail(
        """
        MEMLAB_SEED=\(seed) \(plan.description): \(problem(plan, least) ?? "")
        \(ProcessProgram(plan, least).lines.joined(separator: "\n"))
        """)
      return
    }
  }

  private func problem(_ plan: ProcessPlan, _ steps: [ProcessStep]) -> String? {
    let program = ProcessProgram(plan, steps)
    var native: [Fault]?
    var failures: Set<String> = []
    for (mode, machine) in targets(plan) {
      do {
        let outcome = try program.guest.run(
          mode, on: machine, plan.settings(), as: .process,
          batch: plan.flavour == .large ? 64 : 1 + Int(plan.seed % 16))
        if let problem = problem(plan, program, outcome) { return "\(mode) on \(machine.name): \(problem)" }
        if let native, outcome.faults != native { return "\(mode): faults \(outcome.faults), native \(native)" }
        native = outcome.faults
        let unchecked = try program.guest.run(
          mode, on: machine, plan.settings(), as: .process, checks: false, batch: 4096)
        var counters = outcome.counters
        counters.staleHits = 0
        if counters != unchecked.counters { return "\(mode): \(counters) with checks, \(unchecked.counters) without" }
      } catch let error as ReplayError where error.message.hasPrefix("out of memory") && plan.flavour != .plain {
        // Tables cannot be reclaimed. Then no mode may do better.
        failures.insert("\(error)")
      } catch {
        return "\(mode): \(error)"
      }
    }
    if failures.count > 1 || !failures.isEmpty && native != nil { return "\(failures), but not in every mode" }
    return nil
  }

  /// Every mode, and the machine whose TLB the kernel fills where the plan is for it: the same faults.
  private func targets(_ plan: ProcessPlan) -> [(Mode, MachineDescription)] {
    let modes = Mode.allCases.map { ($0, plan.machine) }
    guard plan.settings().guest.directMap == nil, plan.flavour != .large else { return modes }
    let machine = MachineDescription.softwareFilled(plan.seed % 2 == 0 ? 5 : 40, pages: 1 + Int(plan.seed / 2 % 2))
    return modes + [(.native, machine), (.emulatedTLB, machine)]
  }

  private func problem(_ plan: ProcessPlan, _ program: ProcessProgram, _ outcome: Outcome) -> String? {
    if let divergence = outcome.divergences.first {
      return "operation \(divergence.operation): expected \(divergence.expected), found \(divergence.found)"
    }
    let signals = outcome.events.filter { $0.kind == .signal }.map(foretold)
    if signals != program.signals { return "signals \(signals), foretold \(program.signals)" }
    let faults = outcome.events.filter { $0.kind == .trueFault }.map(foretold)
    if plan.flavour == .plain && faults != program.faults {
      let first = zip(faults, program.faults).first { $0 != $1 }
      return "faults differ first at \(first as Any): \(faults.count), foretold \(program.faults.count)"
    }
    let c = outcome.counters
    if c.trueFaults != c.guestMinorFaults + c.guestMajorFaults + c.guestSignals { return "sum of faults \(c)" }
    if c.l1FetchMisses + c.l1DataMisses != c.tlbL2Hits + c.tlbMisses { return "misses of the first level \(c)" }
    if c.staleHits != 0 { return "\(c.staleHits) stale hits: a flush is missing" }
    return nil
  }

  private func foretold(_ event: Event) -> ProcessProgram.Foretold {
    ProcessProgram.Foretold(operation: event.operation, page: (event.virtual?.raw ?? 0) >> 12)
  }
}
