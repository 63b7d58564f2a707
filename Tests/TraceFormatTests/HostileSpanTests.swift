import Paging
import XCTest

@testable import TraceFormat

/// Spans whose checksum is good and whose content is not.
final class HostileSpanTests: XCTestCase {
  private typealias Parts = (a: [UInt8], b: [UInt8], c: [UInt8], d: [UInt8])

  /// Reads a trace of one span; nil if it was refused.
  private func read(_ directory: TestDirectory, count: Int, _ parts: Parts) throws -> Trace? {
    try read(directory, count: count, [parts])
  }

  /// The same, of several spans of `count` operations each.
  private func read(_ directory: TestDirectory, count: Int, _ spans: [Parts]) throws -> Trace? {
    var bytes = BinaryDecoder.start() + TraceHeader().binarySection
    var index: [UInt8] = []
    for (number, parts) in spans.enumerated() {
      let first = UInt64(number * count)
      index.append(littleEndian: UInt64(bytes.count))
      index.append(littleEndian: first)
      bytes += BinarySection.bytes(.span, count: count, first: first, a: parts.a, b: parts.b, c: parts.c, d: parts.d)
    }
    let operations = spans.count * count
    let end = BinaryEnd(operations: UInt64(operations), indexOffset: UInt64(bytes.count), units: UInt64(spans.count))
    bytes += BinarySection.bytes(.index, count: spans.count, first: 0, a: index) + end.binarySection
    let path = try directory.write(bytes)
    do throws(TraceError) {
      let trace = try Trace(path: path)
      XCTAssertEqual(trace.operations.count, operations)
      return trace
    } catch {
      XCTAssertEqual(error.category, .badData)
      return nil
    }
  }

  /// A copy of one piece without a delta.
  private func copy(_ length: Int, distance: Int, last: Bool = true) -> [UInt8] {
    [UInt8(distance & 255), UInt8(distance >> 8), UInt8((length - 1) << 3 | (last ? 4 : 0))]
      + Array(repeating: 0, count: (length + 7) / 8)
  }

  func testGoodSpansPass() throws {
    let directory = try TestDirectory()
    XCTAssertNotNil(try read(directory, count: 1, ([0], [], [5], [])))
    XCTAssertNotNil(try read(directory, count: 2, ([248, 0, 251], [], [5], copy(1, distance: 1))))
    XCTAssertNotNil(try read(directory, count: 33, ([0, 251], [], [5], copy(32, distance: 1))))
    XCTAssertNotNil(try read(directory, count: 1, ([250], [14], [], [])))
    XCTAssertNotNil(try read(directory, count: 1, ([249], [24, 3, 9], [], [])))
    // Two pieces: the difference 7 for the first two of three operations, then kept for one more.
    let pieces: [UInt8] = [1, 0, 2 << 3 | 1, 7, 3, 4, 1]
    let trace = try XCTUnwrap(read(directory, count: 5, ([0, 251], [], [5], pieces)))
    XCTAssertEqual(trace.operations.map(\.operation.address), [5, 12, 19, 19, 26])
  }

  /// Nothing of a span is left for the next: addresses, mode, difference, operations to copy.
  func testSpansAreIndependent() throws {
    let directory = try TestDirectory()
    let first: Parts = ([248, 0, 251], [], [5], [1, 0, 4 | 1, 7, 1])
    let second: Parts = ([0, 251], [], [5], [1, 0, 4, 1])
    let trace = try XCTUnwrap(read(directory, count: 2, [first, second]))
    XCTAssertEqual(trace.operations.map(\.operation.address), [5, 12, 5, 5])
    XCTAssertEqual(trace.operations.map(\.operation.isUser), [true, true, false, false])
    XCTAssertNil(try read(directory, count: 2, [second, ([251], [], [], copy(2, distance: 1))]))
  }

  func testLengthsThatDoNotFit() throws {
    let directory = try TestDirectory()
    let bad: [(count: Int, parts: Parts)] = [
      (0, ([], [], [], [])), (1, ([], [], [], [])), (2, ([0], [], [0], [])), (1, ([0, 0], [], [0, 0], [])),
      (1, ([0], [0], [0], [])), (1, ([0], [], [], [])), (1, ([0], [], [0, 0], [])), (1, ([0], [], [0], [0])),
      (262_145, ([0], [], [0], [])), (262_144, ([0], [], [0], [])), (1, ([0, 248], [], [0], [])),
      (4096, (Array(repeating: 2, count: 4096), [], [], [])),
    ]
    for (count, parts) in bad { XCTAssertNil(try read(directory, count: count, parts), "\(count) \(parts)") }
    for code in UInt8(252)...255 { XCTAssertNil(try read(directory, count: 1, ([code], [], [], []))) }
  }

  /// A part that is too short is noticed with the first batch: the next one would be read behind the payload.
  func testPartsAreNotLeft() throws {
    let directory = try TestDirectory()
    let zeros = [UInt8](repeating: 0, count: 8192)
    let short: [Parts] = [
      (zeros, [], [1, 2, 3], []), ([0] + Array(repeating: 251, count: 8191), [], [0], copy(1, distance: 1)),
    ]
    for (a, b, c, d) in short {
      let span = BinarySection.bytes(.span, count: 8192, first: 0, a: a, b: b, c: c, d: d)
      // What comes behind would do.
      let rest = Array(repeating: copy(1, distance: 1), count: 8192).joined()
      let bytes = BinaryDecoder.start() + TraceHeader().binarySection + span + rest
      var reader = try TraceReader(path: directory.write(bytes))
      var part = Trace([])
      XCTAssertThrowsError(try part.append(from: &reader)) { XCTAssertTrue("\($0)".contains("cannot be decoded")) }
      XCTAssertEqual(part.operations.count, 0)
    }
  }

  func testCopiesThatDoNotFit() throws {
    let directory = try TestDirectory()
    let bad: [(count: Int, copies: [UInt8])] = [
      (2, []), (2, [1]), (2, [1, 0]), (2, [1, 0, 4]), (2, copy(1, distance: 0)), (2, copy(1, distance: 2)),
      (2, copy(2, distance: 1)), (3, copy(1, distance: 1)), (2, copy(1, distance: 1, last: false)),
      (2, copy(1, distance: 1) + [0]), (2, [1, 0, 7, 0]), (2, [1, 0, 7, 0, 0, 0]),
      (4, copy(1, distance: 1, last: false) + [12]), (2, copy(32, distance: 1)),
    ]
    for (count, copies) in bad {
      XCTAssertNil(try read(directory, count: count, ([0, 251], [], [0], copies)), "\(count) \(copies)")
    }
  }

  /// Copies end with the batch, and the source of a piece does not go from one batch to the next.
  func testCopiesOverABatchsEnd() throws {
    let directory = try TestDirectory()
    func parts(_ literals: Int, _ copies: [UInt8]) -> Parts {
      (Array(repeating: 0, count: literals) + [251], [], Array(repeating: 1, count: literals), copies)
    }
    XCTAssertNotNil(try read(directory, count: 4096, parts(4094, copy(2, distance: 8))))
    XCTAssertNil(try read(directory, count: 4098, parts(4094, copy(4, distance: 8))))
    XCTAssertNotNil(try read(directory, count: 4104, parts(4100, copy(4, distance: 8))))
    XCTAssertNil(try read(directory, count: 4106, parts(4100, copy(6, distance: 8))))
    XCTAssertNotNil(try read(directory, count: 28_673, parts(28_672, copy(1, distance: 28_672))))
    XCTAssertNil(try read(directory, count: 28_674, parts(28_673, copy(1, distance: 28_673))))
  }

  /// What is no access cannot be copied: its payload may be in a batch that is gone.
  func testCopiesOfOtherOperations() throws {
    let directory = try TestDirectory()
    // A hypercall, a load, and copies.
    func parts(_ copies: [UInt8]) -> Parts { ([0, 250, 0, 251], [16, 1, 65], [1, 1], copies) }
    XCTAssertNotNil(try read(directory, count: 4, parts(copy(1, distance: 1))))
    XCTAssertNotNil(try read(directory, count: 4, parts(copy(1, distance: 3))))
    XCTAssertNil(try read(directory, count: 4, parts(copy(1, distance: 2))))
    XCTAssertNil(try read(directory, count: 5, parts(copy(2, distance: 3))))
    XCTAssertNotNil(try read(directory, count: 34, parts(copy(31, distance: 1))))
    // In the next round of the window there is an access in its place.
    let later = Array(repeating: UInt8(0), count: 32_768)
    let long: Parts = (
      [0, 250] + later + [251], [16, 1, 65], Array(repeating: 1, count: 32_769), copy(1, distance: 1)
    )
    XCTAssertNotNil(try read(directory, count: 32_771, long))
  }

  func testRandomSpans() throws {
    let directory = try TestDirectory()
    for seed in SplitMix64.seeds(120) {
      var random = SplitMix64(state: seed)
      func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) } }
      let codes = bytes(Int(random.next() % 4096)).map { seed % 2 == 0 ? $0 : $0 < 200 ? $0 : 251 }
      let count = Int(random.next() % 6000) + 1
      let copies = bytes(Int(random.next() % 3000)).enumerated().map { $0 % 3 == 1 ? 0 : $1 | 4 }
      _ = try read(directory, count: count, (codes, bytes(Int(random.next() % 900)), bytes(9000), copies))
    }
  }

  /// Good spans with some bytes changed come nearer to the decoder's corners than random ones.
  func testChangedSpans() throws {
    let directory = try TestDirectory()
    var accepted = 0
    for seed in SplitMix64.seeds(300) {
      var random = SplitMix64(state: seed)
      var program = RandomProgram(seed: seed)
      var encoder = SpanEncoder()
      var batch = OperationBatch()
      for operation in program.operations(300) { operation.append(to: &batch) }
      XCTAssertEqual(encoder.append(batch, from: 0), 300)
      let bytes = try XCTUnwrap(encoder.finish(first: 0)).bytes
      let section = BinarySection(header: bytes.span)
      let (a, b, c, d) = try XCTUnwrap(section).lengths
      XCTAssertGreaterThan(d, 0)
      var payload = Array(bytes.dropFirst(BinaryLayout.sectionHeaderLength))
      for _ in 0..<(1 + random.next() % 3) {
        // Half of the changes in the copies.
        let place = random.next() % 2 == 0 ? a + b + c + Int(random.next() % UInt64(d)) : Int(random.next() >> 1)
        payload[place % payload.count] = UInt8(truncatingIfNeeded: random.next())
      }
      let parts = (
        Array(payload[..<a]), Array(payload[a..<a + b]), Array(payload[(a + b)..<(a + b + c)]),
        Array(payload[(a + b + c)...])
      )
      if try read(directory, count: 300, parts) != nil { accepted += 1 }
    }
    XCTAssertGreaterThan(accepted, 0)
  }
}
