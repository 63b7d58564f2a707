import Foundation
import Paging
import XCTest

@testable import TraceFormat

final class SpanTests: XCTestCase {
  /// The first section behind the header.
  private func firstSpan(_ bytes: [UInt8], _ header: TraceHeader = Trace([]).header) throws -> BinarySection {
    let start = BinaryDecoder.start().count + header.binarySection.count
    let rest = Array(bytes[start...])
    let section = BinarySection(header: rest.span)
    return try XCTUnwrap(section)
  }

  func testProgramsComeBack() throws {
    let directory = try TestDirectory()
    for seed in SplitMix64.seeds(12) {
      var program = RandomProgram(seed: seed)
      let trace = Trace(program.operations(seed % 4 == 0 ? 13_000 : 400))
      try trace.write(directory("trace"), .binary)
      let back = try Trace(path: directory("trace"))
      XCTAssertEqual(back.operations.count, trace.operations.count)
      let first = zip(trace.operations, back.operations).enumerated().first { $1.0 != $1.1 }
      XCTAssertNil(first, "MEMLAB_SEED=\(seed)")
    }
  }

  /// Code that runs again costs a bit an operation, and some bytes whenever its data is elsewhere.
  func testWhatRepeatsIsCopied() throws {
    let directory = try TestDirectory()
    var random = SplitMix64(state: 1)
    let body = (0..<40).map { index in
      FlatOperation(Operation(index % 4 == 0 ? .fetch : .load, random.next(), size: 8))
    }
    let rounds = (0..<100 as Range<UInt64>).flatMap { round in
      body.map { operation in
        var operation = operation
        if operation.operation.kind == .load { operation.operation.address &+= round * round }
        return operation
      }
    }
    try Trace(rounds).write(directory("trace"), .binary)
    let bytes = try directory.read("trace")
    let span = try firstSpan(bytes)
    XCTAssertEqual(span.count, 4000)
    XCTAssertEqual(span.lengths.a, 41)
    // Each round: two pieces of 1 byte, a delta of 1 or 2, 5 bytes of map.
    XCTAssertLessThan(span.lengths.d, 100 * 10)
    XCTAssertEqual(try Trace(path: directory("trace")).operations, rounds)
  }

  /// A span has as many batches as fit, and copies reach back as far as the window.
  func testManySpans() throws {
    let directory = try TestDirectory()
    let count = BinaryLayout.spanLimit + 9000
    func operation(_ number: Int) -> Operation {
      let place = UInt64(number % 27_000)
      return place % 3 == 0 ? Operation(.fetch, place, size: 3) : Operation(.store, place &* 0x9e37_79b9, size: 8)
    }
    var writer = try TraceWriter(path: directory("trace"), format: .binary, header: TraceHeader())
    var batch = OperationBatch()
    for number in 0..<count {
      batch.append(operation(number))
      if batch.isFull || number == count - 1 {
        try writer.append(batch)
        batch.removeAll(first: 0)
      }
    }
    try writer.finish()
    XCTAssertEqual(try firstSpan(directory.read("trace"), TraceHeader()).count, BinaryLayout.spanLimit)
    var reader = try TraceReader(path: directory("trace"))
    var next = 0
    while try reader.read(into: &batch) {
      XCTAssertEqual(batch.firstNumber, UInt64(next))
      for index in 0..<batch.count where batch.operations[index] != operation(next + index) {
        return XCTFail("operation \(next + index) is \(batch.operations[index])")
      }
      next += batch.count
    }
    XCTAssertEqual(next, count)
    for target in [BinaryLayout.spanLimit - 1, 5, BinaryLayout.spanLimit + 4100, BinaryLayout.spanLimit, count - 1] {
      try reader.seek(toOperation: UInt64(target))
      XCTAssertTrue(try reader.read(into: &batch))
      XCTAssertEqual(batch.firstNumber, UInt64(target))
      XCTAssertEqual(batch.operations[0], operation(target))
    }
  }

  /// A batch has the array of the reader's window: one that is kept, or changed, must not be the next one's.
  func testBatchesThatAreKept() throws {
    let directory = try TestDirectory()
    var program = RandomProgram(seed: 2)
    let trace = Trace(program.operations(50_000))
    try trace.write(directory("trace"), .binary)
    var reader = try TraceReader(path: directory("trace"))
    var kept: [OperationBatch] = []
    var batch = OperationBatch()
    while try reader.read(into: &batch) {
      kept.append(batch)
      if kept.count % 2 == 0 { for index in 0..<batch.count { batch.operations[index].address = 1 } }
    }
    XCTAssertGreaterThan(kept.count, BinaryLayout.spanWindow / OperationBatch.capacity)
    let back = kept.flatMap { batch in (0..<batch.count).map { FlatOperation(batch.operations[$0], in: batch) } }
    XCTAssertTrue(back == trace.operations)
  }

  /// Payload words and strings end a span before they take more memory.
  func testPayloadEndsASpan() throws {
    let directory = try TestDirectory()
    let string = String(repeating: "x", count: 30_000)
    let trace = Trace(
      (0..<7).map { _ in FlatOperation(Operation(.hypercall), string: string) }
        + (0..<200).map { _ in FlatOperation(Operation(.table, 0x1000, size: 1), Array(repeating: .max, count: 520)) })
    try trace.write(directory("trace"), .binary)
    XCTAssertEqual(try firstSpan(directory.read("trace")).count, 3)
    XCTAssertEqual(try Trace(path: directory("trace")), trace)
  }

  /// So does what cannot be told in few bytes: a span and a batch more fit into a section.
  func testBytesEndASpan() throws {
    let directory = try TestDirectory()
    var random = SplitMix64(state: 1)
    let trace = Trace((0..<30_000).map { _ in FlatOperation(Operation(.load, random.next() >> 2 | 1 << 63, size: 3)) })
    try trace.write(directory("trace"), .binary)
    // 13 bytes each: 4 batches have less than 2^18, 5 have more.
    XCTAssertEqual(try firstSpan(directory.read("trace")).count, 5 * 4096)
    XCTAssertTrue(try Trace(path: directory("trace")) == trace)
  }

  /// A file of version 1, as it was committed: blocks instead of spans.
  func testVersionOneIsStillRead() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("traces")
    let path = folder.appendingPathComponent("shell.bin").path
    XCTAssertEqual([UInt8](try Data(contentsOf: URL(fileURLWithPath: path)).prefix(12)).suffix(4), [1, 0, 0, 0])
    let old = try Trace(path: path)
    XCTAssertGreaterThan(old.operations.count, 100_000)
    let directory = try TestDirectory()
    try old.write(directory("trace"), .binary)
    XCTAssertEqual(try Trace(path: directory("trace")), old)
    let size = try directory.read("trace").count
    XCTAssertLessThan(2 * size, 3 * old.operations.count, "\(size) bytes, \(old.operations.count) operations")
    var reader = try TraceReader(path: path)
    var batch = OperationBatch()
    try reader.seek(toOperation: 77_777)
    XCTAssertTrue(try reader.read(into: &batch))
    XCTAssertEqual(FlatOperation(batch.operations[0], in: batch), old.operations[77_777])
  }

  /// Each version has its own sections.
  func testSectionsOfTheOtherVersion() throws {
    let directory = try TestDirectory()
    let tags = [(version: UInt32(1), tag: BinaryLayout.Tag.span), (2, .block)]
    for (version, tag) in tags {
      let section = BinarySection.bytes(tag, count: 1, first: 0, a: [0], c: [0])
      let bytes = BinaryDecoder.start(version: version) + TraceHeader().binarySection + section
      XCTAssertThrowsError(try Trace(path: directory.write(bytes))) {
        XCTAssertTrue("\($0)".contains("expected the end mark"), "\($0)")
      }
    }
  }
}
