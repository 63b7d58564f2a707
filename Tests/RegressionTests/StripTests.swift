import Machine
import MachineDescriptions
import Paging
import TraceFormat
import XCTest

/// `memlab strip` on the recordings of the package: every counter, under every mode, on machines that a sweep may have.
final class StripTests: XCTestCase {
  func testRecordingsCountTheSame() throws {
    for trace in try Traces.names(".bin") {
      let machines = try ["skylake", "nehalem"].map { try MachineFile(named: $0).description() }
      var reader = try TraceReader(path: Traces.path(trace))
      let guest = reader.header.guest
      var stripper = try Stripper(machines: machines, modes: Mode.allCases, Settings(), guest: guest)
      var stripped: [OperationBatch] = []
      var whole: [OperationBatch] = []
      var batch = OperationBatch()
      while try reader.read(into: &batch) {
        whole.append(batch)
        stripped += try stripper.strip(batch)
      }
      stripped += stripper.finish()
      XCTAssertLessThan(stripper.kept, stripper.operations / 2, trace)
      for machine in machines {
        for mode in Mode.allCases {
          let place = "\(trace), \(mode), \(machine.name)"
          let expected = try counters(whole, mode, machine, guest)
          XCTAssertEqual(expected, try counters(stripped, mode, machine, guest), place)
        }
      }
    }
  }

  private func counters(
    _ batches: [OperationBatch], _ mode: Mode, _ machine: MachineDescription, _ guest: TraceHeader.Guest
  ) throws -> Counters {
    let simulation = try Simulation(Configuration(mode: mode, machine: machine, guest: guest))
    for batch in batches { try simulation.replay(batch) }
    try simulation.finish()
    return simulation.counters
  }
}
