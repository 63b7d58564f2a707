import Paging
import XCTest

@testable import Machine

/// Random guests under dirty logging: each round has the pages that the guest's model wrote in it, by every method.
final class DirtyLogDifferentialTests: XCTestCase {
  /// On a machine without caches, where A and D are exact: against the model, which knows no protection and no D but the
  /// guest's.
  func testEveryMethodFindsWhatTheModelWrote() throws {
    for seed in seeds(20) {
      let plan = Plan(.flushing, seed: seed, machine: .bareFiveLevels)
      let world = World(plan, plan.steps())
      var random = SplitMix64(seed: seed &* 0x3000_0005)
      let interval = random.pick([1, 3, 10, 40, 1000])
      let written = world.written.filter { $0.page < Layout.ram >> 12 }
      let walked = world.walked.filter { $0.page < Layout.ram >> 12 }
      check(.shadow, .writeProtection, { _ in }, interval, world, written)
      check(.nested, .writeProtection, { $0.nested.hasAccessedDirty = false }, interval, world, written)
      for method in [DirtyLogMethod.writeProtection, .dirtyBits, .modificationLog] {
        check(.nested, method, { $0.nested.hasAccessedDirty = true }, interval, world, written + walked)
        if method == .modificationLog { continue }
        check(.nested, method, { $0.nested.format = .npt }, interval, world, written + walked + world.pointersRead)
      }
    }
  }

  private func check(
    _ mode: Mode, _ method: DirtyLogMethod, _ change: (inout Settings) -> Void, _ interval: Int, _ world: World,
    _ expected: [(operation: UInt64, page: UInt64)]
  ) {
    let place = "MEMLAB_SEED=\(world.plan.seed) \(mode) \(method)"
    var settings = settings(method, interval, change)
    XCTAssertNil(settings.set("guest.ac", to: world.plan.hasSMAP ? "0" : "1"))
    do {
      let outcome = try world.guest.run(mode, on: .bareFiveLevels, settings, batch: 1 + Int(world.plan.seed % 7))
      XCTAssertEqual(outcome.divergences, [], place)
      var total = 0
      for round in outcome.rounds {
        let span = round.firstOperation..<round.firstOperation + round.operations
        let pages = Set(expected.filter { span.contains($0.operation) }.map(\.page)).sorted()
        total += pages.count
        if round.pages != pages {
          return XCTFail("\(place), interval \(interval), round \(round.number): \(round.pages), expected \(pages)")
        }
      }
      XCTAssertGreaterThan(total, 0, place)
      XCTAssertEqual(outcome.rounds.last.map { $0.firstOperation + $0.operations }, world.guest.next, place)
    } catch {
      XCTFail("\(place): \(error)")
    }
  }

  private func settings(
    _ method: DirtyLogMethod, _ interval: Int, _ change: (inout Settings) -> Void
  ) -> Settings {
    var settings = Settings()
    settings.dirtyLog.method = method
    settings.dirtyLog.interval = interval
    change(&settings)
    return settings
  }

  /// With caches of every kind, all methods find the same in each round, and what the checks observe.
  func testAllMethodsFindTheSameWithCaches() throws {
    for seed in seeds(20) {
      let plan = Plan(.flushing, seed: seed)
      let world = World(plan, plan.steps())
      let interval = [2, 11, 60][Int(seed % 3)]
      var first: [[UInt64]]?
      for method in [DirtyLogMethod.writeProtection, .dirtyBits, .modificationLog] {
        let settings = settings(method, interval) { $0.nested.hasAccessedDirty = true }
        let outcome = try world.guest.run(.nested, on: plan.machine, settings)
        XCTAssertEqual(outcome.divergences, [], "MEMLAB_SEED=\(seed) \(method)")
        let pages = outcome.rounds.map(\.pages)
        XCTAssertEqual(pages, first ?? pages, "MEMLAB_SEED=\(seed) \(method)")
        first = first ?? pages
      }
    }
  }
}
