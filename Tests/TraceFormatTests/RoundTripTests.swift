import Paging
import XCTest

@testable import TraceFormat

final class RoundTripTests: XCTestCase {
  /// Whether the operations come back from a trace; nil if so, else what went wrong.
  private func problem(_ operations: [FlatOperation], _ format: TraceSpelling, _ directory: TestDirectory) -> String? {
    let trace = Trace(operations)
    do {
      try trace.write(directory("trace"), format)
      let back = try Trace(path: directory("trace"))
      if back.header != trace.header { return "other header" }
      if back.operations == operations { return nil }
      let first = zip(operations, back.operations).first { $0 != $1 }
      return
        "\(back.operations.count) of \(operations.count) operations, first that differs: \(String(describing: first))"
    } catch { return "\(error)" }
  }

  /// The smallest failing part that halving finds.
  private func shrink(_ operations: [FlatOperation], _ fails: ([FlatOperation]) -> Bool) -> [FlatOperation] {
    var rest = operations
    while rest.count > 1 {
      let halves = [Array(rest[..<(rest.count / 2)]), Array(rest[(rest.count / 2)...])]
      guard let half = halves.first(where: fails) else { break }
      rest = half
    }
    return rest
  }

  private func check(_ format: TraceSpelling) throws {
    let directory = try TestDirectory()
    for seed in SplitMix64.seeds(12) {
      var random = SplitMix64(state: seed)
      let operations = random.operations(seed % 4 == 0 ? 9000 : 300)
      guard let problem = problem(operations, format, directory) else { continue }
      let small = shrink(operations) { self.problem($0, format, directory) != nil }
      XCTFail("MEMLAB_SEED=\(seed), \(format): \(problem)\nsmallest: \(small.prefix(3))")
    }
  }

  func testEveryKindComesBackFromBinary() throws { try check(.binary) }

  func testEveryKindComesBackFromText() throws { try check(.text) }

  func testEveryKindAlone() throws {
    let directory = try TestDirectory()
    var random = SplitMix64(state: 5)
    let byKind = Dictionary(grouping: random.operations(20_000), by: \.operation.kind)
    XCTAssertEqual(Set(byKind.keys), Set(Operation.Kind.allCases))
    for (kind, operations) in byKind {
      for format in [TraceSpelling.binary, .text] {
        XCTAssertNil(problem(Array(operations.prefix(40)), format, directory), "\(kind)")
      }
    }
  }

  func testNoOperations() throws {
    let directory = try TestDirectory()
    XCTAssertNil(problem([], .binary, directory))
    XCTAssertNil(problem([], .text, directory))
  }

  func testBytesDoNotDependOnBatches() throws {
    let directory = try TestDirectory()
    var random = SplitMix64(state: 77)
    let trace = Trace(random.operations(9500))
    try trace.write(directory("whole"), .binary)
    let expected = try directory.read("whole")
    for size in [1, 7, 1000, 4095] {
      try trace.write(directory("cut"), .binary, batchSize: size)
      XCTAssertEqual(try directory.read("cut"), expected, "batches of \(size)")
    }
  }

  func testRawBinaryTextBinaryLosesNothing() throws {
    let directory = try TestDirectory()
    let raw = try Trace(path: directory.write(RawTrace.varied.bytes, "trace.mlt"))
    try raw.write(directory("1.bin"), .binary)
    let first = try Trace(path: directory("1.bin"))
    try first.write(directory("2.txt"), .text)
    let text = try Trace(path: directory("2.txt"))
    try text.write(directory("3.bin"), .binary)
    XCTAssertEqual(first, raw)
    XCTAssertEqual(text, raw)
    XCTAssertEqual(try directory.read("1.bin"), try directory.read("3.bin"))
    XCTAssertGreaterThan(raw.operations.count, 2 * OperationBatch.capacity)
  }

  func testFirstNumbers() throws {
    let directory = try TestDirectory()
    let raw = try directory.write(RawTrace.varied.bytes, "trace.mlt")
    let trace = try Trace(path: raw)
    try trace.write(directory("trace.bin"), .binary)
    try trace.write(directory("trace.txt"), .text)
    for path in [raw, directory("trace.bin"), directory("trace.txt")] {
      var reader = try TraceReader(path: path)
      var batch = OperationBatch()
      var expected: UInt64 = 0
      while try reader.read(into: &batch) {
        XCTAssertEqual(batch.firstNumber, expected, path)
        expected += UInt64(batch.count)
      }
      XCTAssertEqual(expected, UInt64(trace.operations.count))
      XCTAssertEqual(reader.fraction, 1)
      XCTAssertFalse(try reader.read(into: &batch))
    }
  }
}
