import Foundation
import Paging
import XCTest

@testable import TraceFormat

/// The samples of `traces/` in foreign formats: one program, recorded by lackey, and what a script made of its beginning.
final class SampleTests: XCTestCase {
  private func sample(_ name: String) throws -> Trace {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("traces")
    return try Trace(path: folder.appendingPathComponent(name).path)
  }

  private func count(_ trace: Trace, _ kind: Operation.Kind) -> Int {
    trace.operations.count { $0.operation.kind == kind }
  }

  /// The figures come from a program apart from memlab.
  func testLackey() throws {
    let trace = try sample("fork-process.lackey.xz")
    XCTAssertEqual(trace.operations.count { $0.operation.kind == .fetch && $0.operation.size == 1 }, 37_280)
    XCTAssertEqual(count(trace, .load), 6_588)
    XCTAssertEqual(count(trace, .store), 1_533)
    XCTAssertEqual(count(trace, .fork), 1)
    XCTAssertEqual(count(trace, .exit), 2)
    XCTAssertEqual(count(trace, .discard), 1)
  }

  /// All formats tell the same accesses. ChampSim's has no sizes, and at most 4 loads and 2 stores an instruction.
  func testTheOtherFormatsSayTheSame() throws {
    let whole = try sample("fork-process.lackey.xz").operations.filter(\.operation.isAccess)
    let drmemtrace = try sample("fork-process.drmemtrace.gz").operations
    XCTAssertEqual(drmemtrace, Array(whole.prefix(drmemtrace.count)))
    XCTAssertEqual(drmemtrace.count { $0.operation.kind == .fetch && $0.operation.size == 1 }, 20_000)
    XCTAssertEqual(try sample("fork-process.csv.xz").operations, drmemtrace)
    let champSim = try sample("fork-process.champsim.xz").operations
    let starts = drmemtrace.filter { $0.operation.size != 0 }.map {
      [UInt64($0.operation.kind.rawValue), $0.operation.address]
    }
    XCTAssertEqual(
      Set(champSim.map { [UInt64($0.operation.kind.rawValue), $0.operation.address] }), Set(starts))
    XCTAssertEqual(champSim.count, starts.count)
  }
}
