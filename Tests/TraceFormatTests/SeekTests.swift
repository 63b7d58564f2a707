import Paging
import XCTest

@testable import TraceFormat

final class SeekTests: XCTestCase {
  func testSeek() throws {
    let directory = try TestDirectory()
    var random = SplitMix64(state: 11)
    let trace = Trace(random.operations(20_000))
    try trace.write(directory("t.bin"), .binary)
    var reader = try TraceReader(path: directory("t.bin"))
    var batch = OperationBatch()
    for target in [0, 1, 4095, 4096, 9999, 19_999, 3] {
      try reader.seek(toOperation: UInt64(target))
      XCTAssertTrue(try reader.read(into: &batch))
      XCTAssertEqual(batch.firstNumber, UInt64(target))
      XCTAssertEqual(FlatOperation(batch.operations[0], in: batch), trace.operations[target])
    }
    try reader.seek(toOperation: 12_345)
    var rest = Trace([])
    try rest.append(from: &reader)
    XCTAssertEqual(rest.operations, Array(trace.operations[12_345...]))
    // Not even after the end was reached.
    try reader.seek(toOperation: 5)
    XCTAssertTrue(try reader.read(into: &batch))
    XCTAssertEqual(batch.firstNumber, 5)
  }

  func testWhereNoSeekIsPossible() throws {
    let directory = try TestDirectory()
    try Trace([FlatOperation(Operation(.mark))]).write(directory("t.bin"), .binary)
    var binary = try TraceReader(path: directory("t.bin"))
    XCTAssertThrowsError(try binary.seek(toOperation: 1)) {
      XCTAssertEqual(($0 as? TraceError)?.message, "has 1 operations, expected more than 1")
    }
    var raw = try TraceReader(path: directory.write(RawTrace.varied.bytes))
    XCTAssertThrowsError(try raw.seek(toOperation: 1)) { XCTAssertEqual(($0 as? TraceError)?.category, .usage) }
  }

  func testSeekInACutOffTrace() throws {
    let directory = try TestDirectory()
    var random = SplitMix64(state: 11)
    try Trace(random.operations(5000)).write(directory("t.bin"), .binary)
    let path = try directory.write(directory.read("t.bin").dropLast(1), "cut")
    var reader = try TraceReader(path: path)
    XCTAssertThrowsError(try reader.seek(toOperation: 100)) { XCTAssertEqual(($0 as? TraceError)?.category, .badData) }
  }
}
