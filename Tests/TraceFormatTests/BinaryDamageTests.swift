import Paging
import XCTest

@testable import TraceFormat

final class BinaryDamageTests: XCTestCase {
  private func small(_ directory: TestDirectory) throws -> (trace: Trace, bytes: [UInt8]) {
    var random = SplitMix64(state: 3)
    var program = RandomProgram(seed: 3, blocks: 3)
    let trace = Trace(random.operations(16).filter { $0.words.count < 100 } + program.operations(40))
    try trace.write(directory("good"), .binary)
    return (trace, try directory.read("good"))
  }

  private func error(_ bytes: [UInt8], _ directory: TestDirectory) throws -> TraceError? {
    let path = try directory.write(bytes, "bad")
    do throws(TraceError) {
      _ = try Trace(path: path)
      return nil
    } catch { return error }
  }

  func testEveryFlippedBitIsFound() throws {
    let directory = try TestDirectory()
    var bytes = try small(directory).bytes
    for offset in bytes.indices {
      for bit in 0..<8 {
        bytes[offset] ^= 1 << bit
        let error = try error(bytes, directory)
        XCTAssertEqual(error?.category, .badData, "bit \(bit) of byte \(offset)")
        bytes[offset] ^= 1 << bit
      }
    }
  }

  func testCutOffAtEveryLength() throws {
    let directory = try TestDirectory()
    let bytes = try small(directory).bytes
    for length in bytes.indices {
      let error = try error(Array(bytes[..<length]), directory)
      XCTAssertEqual(error?.category, .badData, "\(length) bytes")
      guard length >= BinaryLayout.magic.count else { continue }
      XCTAssertEqual(error?.position, .offset(UInt64(length)))
      XCTAssertTrue(error?.message.hasPrefix("cut off, expected ") ?? false, "\(length): \(String(describing: error))")
    }
  }

  func testWholeSpansComeBeforeTheCut() throws {
    let directory = try TestDirectory()
    var random = SplitMix64(state: 4)
    // Each batch that is full of payload ends a span.
    let table = FlatOperation(Operation(.table, 0x1000, size: 1), Array(repeating: .max, count: 520))
    let trace = Trace(random.operations(1000) + Array(repeating: table, count: 200) + random.operations(1000))
    try trace.write(directory("good"), .binary)
    let bytes = try directory.read("good")
    let path = try directory.write(bytes.dropLast(bytes.count / 3), "cut")
    var reader = try TraceReader(path: path)
    var part = Trace([])
    XCTAssertThrowsError(try part.append(from: &reader)) { XCTAssertTrue("\($0)".contains("cut off")) }
    XCTAssertGreaterThan(part.operations.count, 0)
    XCTAssertEqual(part.operations, Array(trace.operations[..<part.operations.count]))
  }

  func testMoreAtTheEnd() throws {
    let directory = try TestDirectory()
    let bytes = try small(directory).bytes
    let error = try error(bytes + [0], directory)
    XCTAssertEqual(error?.message, "expected the end of the file, found more")
    XCTAssertEqual(error?.position, .offset(UInt64(bytes.count)))
  }

  func testMessages() throws {
    let directory = try TestDirectory()
    var bytes = try small(directory).bytes
    bytes[8] = 3
    XCTAssertEqual(
      try error(bytes, directory)?.description,
      "\(directory("bad")): offset 8: expected version 1 or 2 of the binary form")
    bytes[8] = 2
    bytes[60] ^= 1
    let message = try XCTUnwrap(error(bytes, directory)).message
    XCTAssertNotNil(
      message.wholeMatch(of: /checksum is [0-9a-f]+, expected [0-9a-f]+ \(the file is damaged\)/), message)
    XCTAssertEqual(
      try error([], directory)?.description, "\(directory("bad")): offset 0: is empty, expected a trace")
    XCTAssertEqual(
      try error(Array("hello".utf8), directory)?.message,
      "is no trace, expected a raw recording, a memlab binary trace, text that begins with `memlab-trace 1`, "
        + "lackey's text, or one of drmemtrace, champsim, list")
  }

  func testBlocksOutOfOrder() throws {
    let directory = try TestDirectory()
    for (version, tag) in [(UInt32(1), BinaryLayout.Tag.block), (2, .span)] {
      let start = BinaryDecoder.start(version: version) + TraceHeader().binarySection
      let block = BinarySection.bytes(tag, count: 1, first: 5, a: [0])
      XCTAssertEqual(
        try error(start + block, directory)?.message, "\(tag) begins with operation 5, expected 0")
    }
  }
}
