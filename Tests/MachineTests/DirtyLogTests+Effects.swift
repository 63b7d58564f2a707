import Paging
import XCTest

@testable import Machine

/// What the log shows, what it must not take for a store, and what cannot be logged.
extension DirtyLogTests {
  func testARoundIsAnEvent() throws {
    let events = try run(program, .nested, log("write-protect")).events.filter { $0.cause == "dirty-log" }
    XCTAssertEqual(events.map(\.operation), [8, 16, 24, 25])
    XCTAssertEqual(events.map(\.value), [4, 2, 0, 1])
    XCTAssertEqual(events.map(\.result), ["round 1", "round 2", "round 3", "round 4"])
  }

  /// What a ROM drops dirties nothing; what a device model carries out does.
  func testEmulatedStores() throws {
    for (mode, more) in [(Mode.shadow, [:]), (.nested, [:]), (.nested, ["nested.ad": "on"])]
      as [(Mode, [String: String])]
    {
      for method in more.isEmpty ? ["write-protect"] : ["write-protect", "d-bit", "pml"] {
        let keys = more.merging(["trace.rom": "201000+1000", "trace.device": "202000+1000"]) { $1 }
        let pages = try run(program, mode, log(method, keys)).rounds.map(\.pages)
        XCTAssertFalse(pages[0].contains(0x201), "\(mode) \(method)")
        XCTAssertFalse(pages[1].contains(0x201), "\(mode) \(method)")
        XCTAssertTrue(pages[1].contains(0x202), "\(mode) \(method)")
      }
    }
  }

  func testWhatCannotBeLoggedIsRefused() throws {
    for (mode, method, more, reason) in [
      (Mode.shadow, "d-bit", [:], "which is for nested paging"),
      (.emulatedTLB, "pml", [:], "which is for nested paging"),
      (.nested, "d-bit", [:], "sets no D bits"), (.nested, "pml", [:], "sets no D bits"),
      (.nested, "pml", ["nested.format": "npt"], "is EPT's"),
      (.direct, "write-protect", [:], "log-dirty mode is shadow"),
    ] as [(Mode, String, [String: String], String)] {
      var configuration = Configuration(mode: mode, machine: MachineDescription(), guest: .scenario)
      for (key, value) in log(method, more) { XCTAssertNil(configuration.settings.set(key, to: value)) }
      XCTAssertThrowsError(try Simulation(configuration)) { error in
        XCTAssertTrue((error as? ReplayError)?.message.contains(reason) == true, "\(mode) \(method): \(error)")
      }
    }
    XCTAssertEqual(try run(program, .native, log("pml")).counters.dirtyLogRounds, 0)
  }

  /// The checks find a page that is missing, and one that is too many.
  func testTheChecksCompareTheLogWithWhatWasObserved() throws {
    for (page, isMissing) in [(0x201, true), (0x203, false)] as [(UInt64, Bool)] {
      var configuration = Configuration(mode: .nested, machine: .roomy, guest: .scenario)
      configuration.checks = true
      for (key, value) in log("write-protect", ["dirty-log.interval": "1000"]) {
        XCTAssertNil(configuration.settings.set(key, to: value))
      }
      var processor = try Processor<NestedBackend>(configuration)
      var batch = OperationBatch()
      for item in program.items { batch.append(item.operation, words: item.words) }
      try processor.replay(batch)
      if isMissing {
        processor.machine.observer?.used(PPN(0x300))
      } else {
        processor.machine.dirtyLog.insert(PPN(page))
      }
      try processor.end()
      XCTAssertEqual(processor.machine.counters.divergences, 1)
    }
  }
}
