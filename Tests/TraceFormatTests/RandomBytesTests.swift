import Paging
import XCTest

@testable import TraceFormat

/// Whatever a file holds, reading it ends, with operations or with one clear error.
final class RandomBytesTests: XCTestCase {
  private func check(_ bytes: [UInt8], _ format: TraceSpelling, _ directory: TestDirectory, _ seed: UInt64) throws {
    let path = try directory.write(bytes)
    do throws(TraceError) {
      _ = try Trace(path: path, format: format)
    } catch {
      XCTAssertEqual(error.category, .badData, "MEMLAB_SEED=\(seed)")
      XCTAssertNotEqual(error.position, .none)
      XCTAssertFalse(error.description.contains("\n"))
    }
  }

  func testRandomBytesBehindEachMagic() throws {
    let directory = try TestDirectory()
    for seed in SplitMix64.seeds(120) {
      var random = SplitMix64(state: seed)
      let rest = (0..<random.next() % 3000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      for format in TraceSpelling.allCases {
        try check(rest, format, directory, seed)
        try check(format.decoder.magic + rest, format, directory, seed)
      }
      try check(BinaryDecoder.start() + TraceHeader().binarySection + rest, .binary, directory, seed)
      try check(Array("memlab-trace 1\n".utf8) + rest, .text, directory, seed)
      try check(RawTrace().bytes + rest, .raw, directory, seed)
    }
  }

  /// Whole traces with some bytes changed.
  func testChangedTraces() throws {
    let directory = try TestDirectory()
    let raw = RawTrace.varied
    let short = Array(raw.bytes.prefix(24_000))
    var random = SplitMix64(state: 9)
    try Trace(random.operations(300)).write(directory("t.txt"), .text)
    let text = try directory.read("t.txt")
    let alphabet = Array("0123456789abcdefghijklmnopqrstuvwxyzPTERWX @=#\n\t-\u{e9}".utf8)
    for seed in SplitMix64.seeds(120) {
      var random = SplitMix64(state: seed)
      var (rawBytes, textBytes) = (short, text)
      for _ in 0..<(1 + random.next() % 4) {
        rawBytes[Int(random.next() % UInt64(rawBytes.count))] ^= 1 << UInt8(random.next() % 8)
        textBytes[Int(random.next() % UInt64(textBytes.count))] = alphabet[Int(random.next() % UInt64(alphabet.count))]
      }
      try check(rawBytes, .raw, directory, seed)
      try check(textBytes, .text, directory, seed)
    }
  }
}
