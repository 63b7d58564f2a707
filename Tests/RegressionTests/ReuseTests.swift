import Machine
import MachineDescriptions
import Paging
import TraceFormat
import XCTest

/// `memlab reuse` on the traces of the package, against single replays with the TLB sizes set.
final class ReuseTests: XCTestCase {
  func testRecordingsMissAsInSingleReplays() throws {
    for trace in try Traces.names(".bin") {
      let curves = try curves(trace)
      XCTAssertEqual(curves.staleHits, 0, trace)
      XCTAssertGreaterThan(curves.largest, 50, trace)
      for size in [1, 3, 16, 40] {
        XCTAssertEqual(curves.misses(entries: size), try single(trace, size), "\(trace), \(size) entries")
      }
    }
  }

  /// Scenarios, some of which break the rules on purpose.
  func testScenariosMissAsInSingleReplaysOrSayThatTheyMayNot() throws {
    var exact = 0
    for trace in try Traces.names(".txt") where try Scenario(trace).modes.contains(.native) {
      let curves = try curves(trace)
      for size in [1, 2, 3, 16] {
        let (expected, found) = (try single(trace, size), curves.misses(entries: size))
        let difference = expected > found ? expected - found : found - expected
        XCTAssertLessThanOrEqual(difference, curves.staleHits, "\(trace), \(size) entries: \(found), not \(expected)")
        exact += difference == 0 ? 1 : 0
      }
    }
    XCTAssertGreaterThan(exact, 100)
  }

  private func curves(_ trace: String) throws -> ReuseCurves {
    var reader = try TraceReader(path: Traces.path(trace))
    let machine = try MachineFile(named: "skylake").description()
    let simulation = try Simulation(.reuse(on: machine, Settings(), guest: reader.header.guest))
    var batch = OperationBatch()
    while try reader.read(into: &batch) { try simulation.replay(batch) }
    try simulation.finish()
    return try XCTUnwrap(simulation.reuse)
  }

  private func single(_ trace: String, _ entries: Int) throws -> UInt64 {
    var reader = try TraceReader(path: Traces.path(trace))
    var file = try MachineFile(named: "skylake")
    for level in ["tlb.l1i", "tlb.l1d", "tlb.l2"] {
      for path in file.figures.map(\.path) where path.hasPrefix(level) && path.hasSuffix(".entries") {
        try file.set(String(path.dropLast(8)) + ".ways", to: "full")
        try file.set(path, to: level == "tlb.l2" ? "0" : "\(entries)")
      }
    }
    let machine = try file.description()
    let simulation = try Simulation(Configuration(mode: .native, machine: machine, guest: reader.header.guest))
    var batch = OperationBatch()
    while try reader.read(into: &batch) { try simulation.replay(batch) }
    try simulation.finish()
    return simulation.counters.tlbMisses
  }
}
