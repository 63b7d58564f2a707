import Machine
import Paging
import TraceFormat
import XCTest

/// The recorded kernels of `traces/`: what the recorded machine did is the measure of every mode.
final class RecordingTests: XCTestCase {
  /// Page faults in each recording, counted in it by a program apart from memlab.
  private static let pageFaults: [String: UInt64] = [
    "cowfork.bin": 28, "mmap.bin": 28, "pie.bin": 28, "shell.bin": 23, "utilities.bin": 18,
  ]

  func testEveryModeGivesTheRecordedFaultsAndNoOthers() throws {
    XCTAssertEqual(try Traces.names(".bin"), Self.pageFaults.keys.sorted())
    for (name, count) in Self.pageFaults.sorted(by: { $0.key < $1.key }) {
      let recorded = try recordedFaults(name)
      XCTAssertEqual(UInt64(recorded.count), count, name)
      for mode in Mode.allCases {
        let outcome = try replay(name, mode)
        XCTAssertEqual(outcome.counters.trueFaults, count, "\(name), \(mode)")
        XCTAssertEqual(outcome.divergences, [], "\(name), \(mode)")
        XCTAssertEqual(outcome.counters.staleHits, 0, "\(name), \(mode)")
        let faults = outcome.events.filter { $0.kind == .trueFault }
          .map { PageFault(address: $0.virtual ?? VirtualAddress(0), code: $0.code ?? []) }
        XCTAssertEqual(faults, recorded, "\(name), \(mode)")
      }
    }
  }

  /// The guest's final tables are native's in every mode, A and D included: in these recordings nothing that the
  /// architecture leaves open makes a difference.
  func testEveryModeLeavesTheTablesThatNativeLeaves() throws {
    for name in try Traces.names(".bin") {
      let native = try replay(name, .native, checks: false).tables
      XCTAssertGreaterThan(native.values.filter { $0 != 0 }.count, 8_000, name)
      for mode in Mode.allCases where mode != .native {
        let tables = try replay(name, mode, checks: false).tables
        let different = native.filter { tables[$0.key] != $0.value }
        XCTAssertEqual(different, [:], "\(name), \(mode)")
      }
    }
  }

  private func recordedFaults(_ name: String) throws -> [PageFault] {
    var reader = try TraceReader(path: Traces.path(name))
    var batch = OperationBatch()
    var faults: [PageFault] = []
    while try reader.read(into: &batch) {
      for operation in batch.operations.prefix(batch.count) where operation.kind == .fault {
        let code = PageFaultCode(rawValue: UInt32(batch.words[Int(operation.payload)]))
        faults.append(PageFault(address: VirtualAddress(operation.address), code: code))
      }
    }
    return faults
  }
}
