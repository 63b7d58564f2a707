import Paging
import XCTest

@testable import Machine

/// Random guests in every mode: same true faults, same tables, nothing that the staleness oracle or an invariant
/// objects to.
final class DifferentialTests: XCTestCase {
  func testFlushingGuestsMeetTheSameFaultsInEveryMode() {
    // 20207: a global large page in parts, of which another root had cached more than the one that INVLPG named.
    check(.flushing, seeds(45) + [20207], [.native, .emulatedTLB, .shadow, .nested])
  }

  func testGuestsThatOmitFlushesMeetOnlyWhatTheArchitectureAllows() {
    check(.omitting, seeds(45), [.native, .emulatedTLB, .shadow, .nested])
  }

  func testWellFormedGuestsRunUnderDirectPaging() {
    check(.direct, seeds(25), Mode.allCases)
  }

  /// A kernel in ring 3, with a base table of its own: US means nothing, and user code has no upper half.
  func testWellFormedGuestsRunInRing3() {
    for seed in seeds(35) { find(Plan(.direct, seed: seed, hasTwoBases: true), [.direct], isExact: false) }
  }

  /// Without caches a walk sees every change at once, so that A and D are exact too (SDM 3A 4.8).
  func testAccessedAndDirtyAreExactWithoutCaches() {
    for seed in seeds(35) {
      let plan = Plan(.flushing, seed: seed, machine: .bareFiveLevels)
      find(plan, [.native, .shadow, .nested], isExact: true)
    }
  }

  private func check(_ flavour: Plan.Flavour, _ seeds: [UInt64], _ modes: [Mode]) {
    for seed in seeds { find(Plan(flavour, seed: seed), modes, isExact: false) }
  }

  private func find(_ plan: Plan, _ modes: [Mode], isExact: Bool) {
    let steps = plan.steps()
    let whole = World(plan, steps)
    for mode in modes {
      guard problem(plan, whole, mode, isExact) != nil else { continue }
      let least = shrink(steps) { problem(plan, World(plan, $0), mode, isExact) != nil }
      let world = World(plan, least)
      XCTFail(
        """
        MEMLAB_SEED=\(plan.seed) \(plan.flavour) \(mode), \(plan.levels) levels, \(plan.cpus) CPUs, \(plan.machine.name), \
        \(plan.settingsText(isExact: isExact)), \(plan.nested), \(plan.dirtyLog): \(problem(plan, world, mode, isExact) ?? "")
        \(world.guest.text)
        """)
    }
  }

  private func problem(_ plan: Plan, _ world: World, _ mode: Mode, _ isExact: Bool) -> String? {
    var settings = plan.settings(isExact: isExact)
    settings.isNestedTableEager = plan.isNestedTableEager
    settings.nested = plan.nested
    settings.dirtyLog = plan.dirtyLog
    if mode == .direct {
      settings.dirtyLog = DirtyLogSettings()
      // A domain has devices of its own, or asks for their service.
      if !settings.direct.hasIOMMU || plan.seed % 2 == 0 { settings.dma.translation = .ring }
    } else if mode != .nested && plan.dirtyLog.method != .none {
      settings.dirtyLog.method = .writeProtection
      // A walk over all of RAM, page by page.
      settings.dirtyLog.start = 0
    }
    do {
      let outcome = try world.guest.run(mode, on: plan.machine, settings, batch: 1 + Int(plan.seed % 16))
      if let divergence = outcome.divergences.first {
        return "operation \(divergence.operation): expected \(divergence.expected), found \(divergence.found)"
      }
      if plan.flavour != .omitting, let problem = difference(world.expected, outcome.faults) { return problem }
      if let problem = tableProblem(world, outcome, isExact) { return problem }
      let unchecked = try world.guest.run(mode, on: plan.machine, settings, checks: false, batch: 4096)
      var counters = outcome.counters
      counters.staleHits = 0
      if counters != unchecked.counters { return "counters \(counters) with checks, \(unchecked.counters) without" }
      return sumProblem(counters, mode)
    } catch {
      return "\(error)"
    }
  }

  private func difference(_ expected: [Fault], _ found: [Fault]) -> String? {
    for index in 0..<max(expected.count, found.count) {
      let wanted = index < expected.count ? expected[index].description : "no fault"
      let got = index < found.count ? found[index].description : "no fault"
      if wanted != got { return "fault \(index): expected \(wanted), found \(got)" }
    }
    return nil
  }

  private func tableProblem(_ world: World, _ outcome: Outcome, _ isExact: Bool) -> String? {
    let mask: UInt64 = isExact ? .max : ~0x60
    let isNarrow = world.plan.levels == 2
    for (place, word) in outcome.tables.sorted(by: { $0.key < $1.key }) where !world.dead.contains(place & ~0xfff) {
      let upper = isNarrow ? world.words[place + 4, default: 0] << 32 : 0
      let mask = isNarrow ? mask & mask << 32 : mask
      let expected = world.words[place, default: 0] | upper
      if (word ^ expected) & mask != 0 {
        return "entry \(String(place, radix: 16)): expected \(String(expected, radix: 16)), "
          + "found \(String(word, radix: 16))"
      }
    }
    return nil
  }

  /// Sums that hold in every run.
  private func sumProblem(_ c: Counters, _ mode: Mode) -> String? {
    if c.translations != c.tlbL1Hits + c.tlbL2Hits + c.tlbMisses { return "translations \(c)" }
    if c.walks < c.tlbMisses { return "walks \(c)" }
    if c.walkReferences != c.referencesByLevel.sum + c.nestedReferencesByLevel.sum { return "levels \(c)" }
    switch mode {
    case .native:
      if c.exits + c.hiddenFaults != 0 || c.walkReferences != c.walkReferencesGuest { return "native \(c)" }
    case .emulatedTLB, .shadow:
      if c.exitFault != c.trueFaults + c.hiddenFaults { return "exit_fault \(c)" }
    case .nested:
      if c.exitFault != c.hiddenFaults { return "exit_fault \(c)" }
      if c.walkReferences != c.walkReferencesGuest + c.walkReferencesNested { return "walk_refs \(c)" }
    case .direct:
      if c.exitFault != c.trueFaults + c.hiddenFaults || c.exitHypercall != c.hypercalls { return "exits \(c)" }
      if c.mmuUpdates + c.detachedStores < c.guestTableStores { return "mmu_updates \(c)" }
    }
    return nil
  }
}
