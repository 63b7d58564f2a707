import Machine
import XCTest

/// Copy-on-write by the hypervisor below a guest kernel that does its own: all of memory is shared at first. The checks
/// hold what each process finds in its pages against what it stored, so a copy that is lost or stale shows.
final class CopiedFramesTests: XCTestCase {
  func testProcessesFindWhatTheyStored() throws {
    let names = try Traces.names(".txt").filter { name in
      try name.hasPrefix("process-") && Scenario(name).modes.contains(.shadow)
    }
    XCTAssertGreaterThanOrEqual(names.count, 6)
    for name in names {
      let expected = faults(try replay(name, .native))
      for mode in [Mode.shadow, .emulatedTLB, .nested] {
        let outcome = try replay(name, mode, settings: ["trace.cow=0+4000000", "shadow.large=keep"])
        XCTAssertEqual(outcome.divergences, [], "\(name) \(mode)")
        XCTAssertEqual(faults(outcome), expected, "\(name) \(mode)")
        XCTAssertGreaterThan(outcome.counters.framesCopied, 0, "\(name) \(mode)")
        XCTAssertEqual(outcome.counters.framesCopied, outcome.counters.traceFaultsCopyOnWrite, "\(name) \(mode)")
      }
    }
  }

  private func faults(_ outcome: Outcome) -> [String] {
    outcome.events.filter { $0.kind == .trueFault }.map { "\($0.operation) \($0.virtual as Any) \($0.code as Any)" }
  }
}
