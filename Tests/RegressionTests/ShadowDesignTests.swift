import Machine
import XCTest

/// Every value of every key of the shadow tables, on every trace of the package: the guest sees no difference.
final class ShadowDesignTests: XCTestCase {
  private static let values: [[String]] = [
    ["shadow.store=update"], ["shadow.store=unsync"], ["shadow.prefetch=1"], ["shadow.prefetch=32"],
    ["shadow.pages=16"], ["shadow.pages=16", "shadow.evict=lru"], ["shadow.unshadow=user"],
    ["shadow.unshadow=misaligned"], ["shadow.large=keep"], ["shadow.large=keep", "shadow.store=unsync"],
    ["shadow.wp=flip"],
    ["shadow.unshadow=zeros"], ["shadow.unshadow=flood"], ["shadow.unshadow=all"],
  ]

  private struct Fault: Hashable {
    var operation: UInt64
    var address: UInt64?
    var code: UInt32?
  }

  private func faults(_ outcome: Outcome) -> [Fault] {
    outcome.events.filter { $0.kind == .trueFault }.map {
      Fault(operation: $0.operation, address: $0.virtual?.raw, code: $0.code?.rawValue)
    }
  }

  func testScenariosShowTheSameTrueFaults() throws {
    for (number, name) in try Traces.names(".txt").enumerated() where try Scenario(name).modes.contains(.shadow) {
      let expected = try faults(replay(name, .native))
      // Each scenario in every other design, each design in every other scenario.
      for (index, settings) in Self.values.enumerated() where (number + index) % 2 == 0 {
        try check(name, settings, expected)
      }
    }
  }

  /// Two of the five recordings: the others differ in what user programs do, and take as long.
  func testRecordingsShowTheSameTrueFaults() throws {
    for name in ["cowfork.bin", "shell.bin"] {
      let expected = try faults(replay(name, .native, checks: false))
      for settings in Self.values { try check(name, settings, expected) }
    }
  }

  private func check(_ name: String, _ settings: [String], _ expected: [Fault]) throws {
    let outcome = try replay(name, .shadow, settings: settings)
    let place = "\(name) \(settings)"
    XCTAssertEqual(outcome.divergences, [], place)
    XCTAssertEqual(faults(outcome), expected, place)
    let c = outcome.counters
    let upper = c.causeTable + c.causeLeaf + c.causeAccessed
    XCTAssertEqual(upper, c.hiddenFill, place)
    XCTAssertEqual(c.causeDirty, c.hiddenDirty, place)
    XCTAssertEqual(c.causeTrace, c.hiddenTrace, place)
    XCTAssertEqual(c.causeWriteProtect + c.causeDevice + c.causeUpgrade + c.causeMonitor, c.hiddenOther, place)
    XCTAssertEqual(c.prefetchedUsed + c.prefetchedInVain, c.prefetched, place)
    XCTAssertLessThanOrEqual(c.shadowPages + c.shadowPagesEvicted + c.shadowPagesRecycled, c.shadowPagesMade, place)
  }
}
