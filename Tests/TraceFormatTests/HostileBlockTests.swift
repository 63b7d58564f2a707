import Foundation
import Paging
import XCTest

@testable import TraceFormat

/// Blocks, of version 1 of the form, whose checksum is good and whose content is not.
final class HostileBlockTests: XCTestCase {
  /// Reads a trace of one block; false if it was refused.
  private func accepts(
    _ directory: TestDirectory, count: Int, a: [UInt8], b: [UInt8] = [], c: [UInt8] = []
  ) throws -> Bool {
    let start = BinaryDecoder.start(version: 1) + TraceHeader().binarySection
    let block = BinarySection.bytes(.block, count: count, first: 0, a: a, b: b, c: c)
    var index: [UInt8] = []
    index.append(littleEndian: UInt64(start.count))
    index.append(littleEndian: UInt64(0))
    let end = BinaryEnd(operations: UInt64(count), indexOffset: UInt64(start.count + block.count), units: 1)
    let bytes = start + block + BinarySection.bytes(.index, count: 1, first: 0, a: index) + end.binarySection
    let path = try directory.write(bytes)
    do throws(TraceError) {
      let trace = try Trace(path: path)
      XCTAssertEqual(trace.operations.count, count)
      return true
    } catch {
      XCTAssertEqual(error.category, .badData)
      return false
    }
  }

  func testGoodBlocksPass() throws {
    let directory = try TestDirectory()
    XCTAssertTrue(try accepts(directory, count: 1, a: [0]))
    XCTAssertTrue(try accepts(directory, count: 2, a: [1, 248, 0], c: [5]))
    XCTAssertTrue(try accepts(directory, count: 4096, a: Array(repeating: 0, count: 4096)))
    XCTAssertTrue(try accepts(directory, count: 1, a: [250], b: [14]))
    XCTAssertTrue(try accepts(directory, count: 1, a: [249], b: [5, 3, 9]))
  }

  func testLengthsThatDoNotFit() throws {
    let directory = try TestDirectory()
    let bad: [(count: Int, a: [UInt8], b: [UInt8], c: [UInt8])] = [
      (0, [], [], []), (1, [], [], []), (2, [0], [], []), (1, [0, 0], [], []), (1, [0], [0], []), (1, [0], [], [0]),
      (1, [1], [], []), (1, [5], [], [1, 2, 3]), (4097, Array(repeating: 0, count: 4097), [], []),
      (1, [248], [], []), (1, [248, 248, 0], [], []), (4096, Array(repeating: 5, count: 4096), [], []),
      (1_000_000, [0], [], []), (1, [0, 248], [], []),
    ]
    for (count, a, b, c) in bad {
      XCTAssertFalse(try accepts(directory, count: count, a: a, b: b, c: c), "\(count) \(a.prefix(4)) \(b) \(c)")
    }
  }

  func testDetailsThatDoNotFit() throws {
    let directory = try TestDirectory()
    let tooLong = [UInt8](repeating: 0x80, count: 10)
    let bad: [[UInt8]] = [
      [], [31], [0x8e], [0], [0x2e], [0x4e], [14, 0],  // no such kind, an access, flags that a mark has not, too much
      [17, 0x80], [17] + tooLong, [17, 0x80, 0x10],  // a CPU: no number, an endless one, 1024
      [4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0], [4, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0],  // a table: level 6, an entry of 0
      [4, 0, 1] + Array(repeating: 0x7f, count: 8),  // a table without its entries
      [16, 0], [16, 200, 1, 65], [16, 1, 0x0a], [16, 1, 0x23], [16, 2, 0xc3, 0x28], [16, 0xff, 0xff, 0xff, 0xff, 0x7f],
      [19, 0], [25, 0, 32, 0], [27, 0, 8, 0], [13, 0x80, 0x02],  // RAM of 0 bytes, rights 32 and 8, vector 256
    ]
    for details in bad { XCTAssertFalse(try accepts(directory, count: 1, a: [250], b: details), "\(details)") }
    for access: [UInt8] in [[], [3, 1, 0], [24, 1, 0], [0, 0x80, 0x80, 4, 0], [0, 1]] {
      XCTAssertFalse(try accepts(directory, count: 1, a: [249], b: access), "\(access)")
    }
    for code in UInt8(251)...255 { XCTAssertFalse(try accepts(directory, count: 1, a: [code])) }
  }

  func testRandomBlocks() throws {
    let directory = try TestDirectory()
    for seed in SplitMix64.seeds(400) {
      var random = SplitMix64(state: seed)
      func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) } }
      let codes = bytes(Int(random.next() % 8192)).map { seed % 2 == 0 ? $0 : $0 % 248 }
      let count = max(1, min(4096, codes.count - Int(random.next() % 8)))
      _ = try accepts(
        directory, count: count, a: codes, b: bytes(Int(random.next() % 5000)), c: bytes(Int(random.next() % 9000)))
    }
  }

  /// Good blocks with some bytes changed come nearer to the decoder's corners than random ones.
  func testChangedBlocks() throws {
    let directory = try TestDirectory()
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("traces")
    let input = try ByteInput(path: folder.appendingPathComponent("shell.bin").path)
    _ = try BinaryDecoder(input)
    var accepted = 0
    for seed in SplitMix64.seeds(200) {
      var random = SplitMix64(state: seed)
      let section = try input.requireSection(expected: "a block or the end mark")
      guard section.tag == .block else { break }
      let length = BinaryLayout.sectionHeaderLength + section.payloadLength
      var payload = Array(try input.peek(length).dropFirst(BinaryLayout.sectionHeaderLength))
      input.skip(length)
      for _ in 0..<(1 + random.next() % 3) {
        payload[Int(random.next() % UInt64(payload.count))] = UInt8(truncatingIfNeeded: random.next())
      }
      let (a, b, _, _) = section.lengths
      let isGood = try accepts(
        directory, count: section.count, a: Array(payload[..<a]), b: Array(payload[a..<a + b]),
        c: Array(payload[(a + b)...]))
      if isGood { accepted += 1 }
    }
    XCTAssertGreaterThan(accepted, 0)
  }
}
