import Paging
import XCTest

@testable import TraceFormat

/// ChampSim's records, DynamoRIO's entries, lists of addresses.
final class ForeignFormatTests: XCTestCase {
  private func lines(_ bytes: [UInt8], _ format: TraceSpelling, isRecognised: Bool = true) throws -> [String] {
    let directory = try TestDirectory()
    let path = try directory.write(bytes)
    if isRecognised { XCTAssertEqual(try TraceReader(path: path).spelling, format) }
    return try Trace(path: path, format: format).textLines(directory)
  }

  private func error(_ bytes: [UInt8], _ format: TraceSpelling) throws -> String? {
    let directory = try TestDirectory()
    let path = try directory.write(bytes)
    do throws(TraceError) {
      _ = try Trace(path: path, format: format)
      return nil
    } catch {
      XCTAssertEqual(error.category, .badData)
      return String(error.description.dropFirst(path.count))
    }
  }

  func testChampSim() throws {
    let records =
      Foreign.champSim(0x401000, stores: [0x7ffc_1000], loads: [0x601000, 0, 0x602000])
      + Foreign.champSim(0x401004, isBranch: 1, registers: 0xff)
    XCTAssertEqual(
      try lines(records, .champsim), ["x 401000", "r 601000 1", "r 602000 1", "w 7ffc1000 1", "x 401004"])
    XCTAssertEqual(
      try error(Array(records.dropLast(1)), .champsim), ": offset 127: cut off, expected a record of 64 bytes")
    XCTAssertEqual(
      try error(records + Foreign.champSim(1, isBranch: 2), .champsim),
      ": offset 128: branch flags other than 0 and 1, expected a ChampSim record of 64 bytes")
    XCTAssertFalse(ChampSimDecoder.recognises(Array(records.prefix(63))))
    XCTAssertFalse(ChampSimDecoder.recognises(Foreign.champSim(0, loads: [5])))
    XCTAssertFalse(ChampSimDecoder.recognises(Foreign.champSim(1 << 60)))
  }

  func testDynamoRIO() throws {
    let entries: [(UInt16, UInt16, UInt64)] = [
      (28, 9, 0x40), (22, 4, 100), (24, 4, 100), (47, 3, 0x90_9090), (10, 3, 0x400ffe), (0, 4, 0x601000),
      (1, 8, 0x601ffc), (5, 8, 0xdead), (48, 2, 0x401010), (17, 2, 0x0305), (29, 2, 0x401010), (0, 0, 0x7000),
      (24, 4, 101), (16, 1, 0x400100), (24, 4, 100), (20, 0, 1), (23, 0, 100),
    ]
    let bytes = Foreign.dynamoRIO(entries)
    XCTAssertEqual(
      try lines(bytes, .drmemtrace),
      [
        "x 400ffe", "x 401000 0", "r 601000 4", "w 601ffc", "x 401010", "x 401012", "x 401017", "r 7000 1",
        "switch 101",
        "x 400100", "switch 1",
      ])
    for cut in 1..<bytes.count {
      let message = try XCTUnwrap(error(Array(bytes.prefix(cut)), .drmemtrace))
      let expected = cut < 12 ? "a drmemtrace header" : "the footer"
      XCTAssertEqual(message, ": offset \(cut): cut off, expected \(expected)")
    }
    XCTAssertEqual(
      try error(Foreign.dynamoRIO([(50, 0, 0)]), .drmemtrace),
      ": offset 12: entry of type 50, expected one of drmemtrace's types 0 to 49, no header")
    XCTAssertEqual(
      try error(Foreign.dynamoRIO([(17, 9, 0)]), .drmemtrace),
      ": offset 12: bundle of 9 instructions, expected at most 8")
    XCTAssertEqual(
      try error(bytes + [0], .drmemtrace),
      ": offset \(bytes.count): expected the end of the file behind the footer, found more")
  }

  func testLists() throws {
    let text = "kind,address,size\n# a comment\nr,0x1000,4\nW 2000\nx,3ffe,4 # over a border\n\n  7fff0000\n"
    XCTAssertEqual(
      try lines(Array(text.utf8), .list), ["r 1000 4", "w 2000", "x 3ffe", "x 4000 0", "r 7fff0000"])
    XCTAssertEqual(try lines(Array("0x10\n0x20".utf8), .list), ["r 10", "r 20"])
    let cases = [
      "q,10": "expected r, w or x before the address, found `q`",
      "r,xyz": "expected a hexadecimal address, found `xyz`",
      "r,10,0": "expected a size from 1 to 65535, found `0`",
      "r,10,70000": "expected a size from 1 to 65535, found `70000`",
      "r,10,8,9": "expected the end of the line, found `9`",
      "hello": "expected ADDR or KIND,ADDR[,SIZE] with a hexadecimal address, found `hello`",
    ]
    for (line, message) in cases {
      XCTAssertEqual(try error(Array("10\n\(line)\n".utf8), .list), ": line 2: \(message)")
    }
    XCTAssertFalse(AddressListDecoder.recognises(Array("hello, world\n".utf8)))
    XCTAssertFalse(AddressListDecoder.recognises(Array("hello\n".utf8)))
  }

  func testReadOnly() throws {
    let directory = try TestDirectory()
    for format in TraceSpelling.allCases where !format.isWritable {
      XCTAssertThrowsError(try TraceWriter(path: directory("x"), format: format, header: TraceHeader()).bytesWritten) {
        XCTAssertTrue("\($0)".contains("read only"))
      }
    }
    XCTAssertEqual(TraceSpelling.allCases.filter(\.isWritable), [.text, .binary])
  }

  /// Every length of a trace of each kind ends in operations or one clear error, as does each with some bytes changed.
  func testDamage() throws {
    let directory = try TestDirectory()
    for (format, whole) in Foreign.samples {
      for length in whole.indices { try check(Array(whole[..<length]), format, directory, "\(length) bytes") }
      for seed in SplitMix64.seeds(300) {
        var random = SplitMix64(state: seed)
        var bytes = whole
        for _ in 0..<(1 + random.next() % 4) {
          bytes[Int(random.next() % UInt64(bytes.count))] ^= 1 << UInt8(random.next() % 8)
        }
        try check(bytes, format, directory, "MEMLAB_SEED=\(seed)")
      }
    }
  }

  private func check(
    _ bytes: [UInt8], _ format: TraceSpelling, _ directory: TestDirectory, _ what: String
  ) throws {
    let path = try directory.write(bytes)
    for given in [format, nil] {
      do throws(TraceError) {
        _ = try Trace(path: path, format: given)
      } catch {
        XCTAssertEqual(error.category, .badData, "\(format), \(what)")
        XCTAssertNotEqual(error.position, .none, "\(format), \(what)")
        XCTAssertFalse(error.description.contains("\n"), "\(format), \(what)")
      }
    }
  }
}

/// Traces of other tools, made by hand.
enum Foreign {
  private static func bytes(_ number: UInt64, _ count: Int = 8) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) }
  }

  static func champSim(
    _ address: UInt64, isBranch: UInt8 = 0, registers: UInt8 = 0, stores: [UInt64] = [], loads: [UInt64] = []
  ) -> [UInt8] {
    let stores = (stores + [0, 0]).prefix(2)
    let loads = (loads + [0, 0, 0, 0]).prefix(4)
    return bytes(address) + [isBranch, 0] + Array(repeating: registers, count: 6)
      + (stores + loads).flatMap { bytes($0) }
  }

  /// A header, the entries, a footer.
  static func dynamoRIO(_ entries: [(UInt16, UInt16, UInt64)]) -> [UInt8] {
    ([(25, 0, 5)] + entries).flatMap { bytes(UInt64($0.0), 2) + bytes(UInt64($0.1), 2) + bytes($0.2) }
      + bytes(26, 4) + bytes(0)
  }

  static var samples: [(TraceSpelling, [UInt8])] {
    let lackey = """
      ==17== Lackey, an example Valgrind tool
      I  04000ffd,4
       M 1fff000658,8
      SYSCALL[17,1](9) sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> [pre-success] Success(0x4835000)\u{20}
      SYSCALL[17,1](12) sys_brk ( 0x0 ) --> [pre-success] Success(0x4000d00)\u{20}
      SYSCALL[17,1](12) sys_brk ( 0x4021d00 ) --> [pre-success] Success(0x4021d00)\u{20}
      SYSCALL[17,1](25) sys_mremap ( 0x4d15000, 135168, 266240, 0x1 ) --> [pre-success] Success(0x4d15000)\u{20}
      SYSCALL[17,1](56) sys_clone ( 1200011, 0x0 )   clone(fork): process 17 created child 18
       --> [pre-success] Success(0x12)\u{20}
      SYSCALL[17,1](61) sys_wait4 ( 18, 0x0, 0, 0x0 ) --> [async] ...\u{20}
      SYSCALL[17,1](61) ... [async] --> Success(0x12)\u{20}
       L 04a1a9f4,4

      """
    return [
      (.lackey, Array(lackey.utf8)),
      (.champsim, (0..<6).flatMap { champSim(0x401000 + $0, stores: [0x1000], loads: [0x601000, 0x602000]) }),
      (.drmemtrace, dynamoRIO([(24, 4, 9), (10, 3, 0x400ffe), (17, 4, 0x0102_0304), (0, 4, 0x1000), (24, 4, 8)])),
      (.list, Array("kind,address,size\nr,0x1000,4\nW 2000\nx,3ffe,4 # over\n7fff0000\n".utf8)),
    ]
  }
}
