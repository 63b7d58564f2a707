import Machine
import XCTest

/// Every value of the monitor's keys, on the traces of the package: the guest sees no difference.
final class MonitorDesignTests: XCTestCase {
  private static let values: [[String]] = [
    ["cpu.technique=trap-and-emulate"], ["cpu.technique=binary-translation"], ["cpu.technique=paravirtual"],
    ["cpu.technique=hardware-assisted"], ["monitor.hiding=address-space"],
    ["monitor.hiding=address-space", "monitor.tlb=tagged"], ["monitor.hiding=protection"],
    ["monitor.hiding=protection", "monitor.range=xen-64"], ["monitor.hiding=protection", "monitor.range=top"],
    ["monitor.hiding=protection", "monitor.range=0+200000"], ["monitor.hiding=truncation"],
  ]
  private static let emulatedTLB: [[String]] = [
    ["emulated-tlb.capacity=64"], ["shadow.wp=flip"],
    ["emulated-tlb.tags=pcid"], ["emulated-tlb.tags=pcid", "emulated-tlb.globals=keep"],
  ]

  private func faults(_ outcome: Outcome) -> [String] {
    outcome.events.filter { $0.kind == .trueFault }.map { "\($0.operation) \($0.virtual as Any) \($0.code as Any)" }
  }

  private func check(_ name: String, _ mode: Mode, _ settings: [String], _ expected: [String]) throws {
    let outcome = try replay(name, mode, settings: settings)
    let (c, place) = (outcome.counters, "\(name) \(mode) \(settings)")
    XCTAssertEqual(outcome.divergences, [], place)
    XCTAssertEqual(faults(outcome), expected, place)
    XCTAssertEqual(c.causeWriteProtect + c.causeDevice + c.causeUpgrade + c.causeMonitor, c.hiddenOther, place)
  }

  func testScenariosShowTheSameTrueFaults() throws {
    // These leave a flush out, so that a TLB which is flushed more often legally shows them more faults.
    let stale = ["stale.txt", "case-01-edit-without-flush.txt"]
    for (number, name) in try Traces.names(".txt").enumerated() where !stale.contains(name) {
      guard try Scenario(name).modes.contains(.shadow) else { continue }
      let expected = try faults(replay(name, .native))
      // Each scenario in a third of the designs, each design in a third of the scenarios: all of them take a minute.
      for (index, settings) in Self.values.enumerated() where (number + index) % 3 == 0 {
        // The one scenario whose guest uses the range that it would lose.
        if name == "hiding-guarded.txt" && settings == ["monitor.hiding=truncation"] { continue }
        try check(name, .shadow, settings, expected)
        try check(name, .emulatedTLB, settings, expected)
      }
      for settings in Self.emulatedTLB { try check(name, .emulatedTLB, settings, expected) }
    }
  }

  /// One recording; the keys that change what the tables hold.
  func testARecordingShowsTheSameTrueFaults() throws {
    let expected = try faults(replay("cowfork.bin", .native, checks: false))
    for settings in [Self.values[1], Self.values[4], Self.values[8]] {
      try check("cowfork.bin", .shadow, settings, expected)
      try check("cowfork.bin", .emulatedTLB, settings, expected)
    }
    for settings in Self.emulatedTLB { try check("cowfork.bin", .emulatedTLB, settings, expected) }
  }
}
