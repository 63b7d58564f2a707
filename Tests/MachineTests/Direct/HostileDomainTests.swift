import Paging
import XCTest

@testable import Machine

/// A domain that tries everything: no invariant breaks, no frame of another domain is reached, and nothing is left of it
/// when it is destroyed. 500 steps a seed; `MEMLAB_SEEDS=2000` makes a million.
final class HostileDomainTests: XCTestCase {
  private static let steps = 500

  func testHostileDomainGetsNowhere() {
    for seed in seeds(60) {
      var dice = SplitMix64(seed: seed)
      let steps = (0..<Self.steps).map { _ in dice.next() }
      guard let problem = run(steps, seed: seed, every: 32) else { continue }
      let shortest = shrink(steps) { run($0, seed: seed, every: 1) != nil }
      XCTFail("seed \(seed): \(problem); shrunk to \(shortest): \(run(shortest, seed: seed, every: 1) ?? "none")")
      return
    }
  }

  /// `every`: steps between two recounts.
  private func run(_ steps: [UInt64], seed: UInt64, every: Int) -> String? {
    var attack = Attack()
    var dice = SplitMix64(seed: seed ^ 0xdead)
    // Before anything is validated: its kernel may as well run in ring 3.
    if seed % 2 == 1 { attack = Attack { $0.hasTwoBases = true } }
    if seed / 2 % 2 == 0 { attack.takeDevices() }
    if dice.oneIn(3) { attack.backend.xen.frames.armInterrupt(after: 1 + dice.below(300)) }
    for (number, step) in steps.enumerated() {
      let isLast = number == steps.count - 1
      if let problem = attack.carryOut(step, checksAll: isLast || number % every == every - 1) {
        return "step \(number): \(problem)"
      }
    }
    return attack.end(&dice)
  }

  /// Most of what the attacker does must not fail at the first check, or the test shows little.
  func testAttackIsNotRefusedWhole() {
    var attack = Attack()
    attack.takeDevices()
    var dice = SplitMix64(seed: 1)
    for _ in 0..<2000 { _ = attack.carryOut(dice.next(), checksAll: false) }
    let updates = attack.backend.xen.updates
    XCTAssertGreaterThan(updates.tried - updates.refused, updates.tried / 10)
    XCTAssertGreaterThan(updates.refused, updates.tried / 10)
    XCTAssertGreaterThan(attack.machine.flushClock, 20)
    XCTAssertGreaterThan(attack.machine.counters.grantMaps, 20)
    XCTAssertGreaterThan(attack.machine.counters.grantUnmaps, 5)
    XCTAssertGreaterThan(attack.machine.counters.grantCopies, 10)
    let counters = attack.machine.counters
    XCTAssertGreaterThan(counters.dmaTranslations - counters.dmaFaults, 20)
    XCTAssertGreaterThan(counters.dmaFaults, 20)
    XCTAssertGreaterThan(counters.iommuUnmaps, 10)
  }

  /// XSA-242, 299 and 310: interrupted at every entry that there is, then destroyed: all counts are 0.
  func testDestroyedInTheMiddleOfAValidation() {
    for entries in [1, 2, 3, 100, 511, 512, 513, 514, 1023, 1024, 1026, 1538, 2047] {
      var attack = Attack()
      attack.backend.xen.leavesInterrupted = true
      // A second tree over the same lowest table, and one of its own.
      for (level, table) in [(2, 12), (3, 13), (4, 14)] {
        attack.machine.memory.write(
          attack.frames[table].entryAddress(index: 1), attack.frames[table - 1].address.raw | 7)
        XCTAssertGreaterThan(level, 1)
      }
      attack.machine.memory.write(attack.frames[11].entryAddress(index: 3), attack.frames[5].address.raw | 7)
      attack.machine.memory.write(attack.frames[12].entryAddress(index: 0), attack.frames[1].address.raw | 7)
      attack.backend.xen.frames.armInterrupt(after: entries)
      let result = attack.call(
        .mmuExtended([.init(number: 3, first: attack.frames[14].address.raw)], pages: .oneself))
      XCTAssertEqual(result.value, -85, "\(entries)")
      XCTAssertNotNil(attack.backend.xen.frames.interrupted)
      XCTAssertNil(attack.backend.xen.violatedInvariant(attack.machine), "\(entries)")
      var dice = SplitMix64(seed: 3)
      XCTAssertNil(attack.end(&dice), "\(entries)")
    }
  }

  /// Interrupted and continued, the counts are those of a validation in one go.
  func testContinuedValidationCountsOnce() {
    for entries in [1, 7, 511, 512, 1000] {
      var attack = Attack()
      attack.machine.memory.write(attack.frames[11].entryAddress(index: 3), attack.frames[5].address.raw | 7)
      attack.machine.memory.write(attack.frames[12].entryAddress(index: 0), attack.frames[11].address.raw | 7)
      attack.machine.memory.write(attack.frames[12].entryAddress(index: 511), attack.frames[1].address.raw | 7)
      attack.backend.xen.frames.armInterrupt(after: entries)
      let pinned = attack.call(.mmuExtended([.init(number: 1, first: attack.frames[12].address.raw)], pages: .oneself))
      XCTAssertEqual(pinned.value, 0)
      XCTAssertEqual(attack.backend.xen.continuations, UInt64(1024 / entries - (1024 % entries == 0 ? 1 : 0)))
      XCTAssertNil(attack.backend.xen.frames.interrupted)
      XCTAssertNil(attack.backend.xen.violatedInvariant(attack.machine))
      XCTAssertEqual(attack.backend.xen.frames[attack.frames[5]].typeCount, 2)
    }
  }
}
