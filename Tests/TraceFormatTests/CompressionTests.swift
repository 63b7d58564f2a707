import Foundation
import Paging
import XCTest

@testable import TraceFormat

final class CompressionTests: XCTestCase {
  /// Packs a file with a program of the system.
  private func pack(_ path: String, _ program: String, _ arguments: [String]) throws -> [UInt8] {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program] + arguments + [path]
    process.standardOutput = pipe
    try process.run()
    let packed = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    XCTAssertEqual(process.terminationStatus, 0)
    return [UInt8](packed)
  }

  private let packers = [("gzip", ["-c"]), ("zstd", ["-cq", "--long=27"]), ("xz", ["-c"])]

  func testPackedTraces() throws {
    let directory = try TestDirectory()
    let raw = try directory.write(RawTrace.varied.bytes, "trace.mlt")
    let expected = try Trace(path: raw)
    for (program, arguments) in packers {
      // The name says nothing: the first bytes do.
      let packed = try directory.write(pack(raw, program, arguments), "packed")
      XCTAssertEqual(try Trace(path: packed), expected, program)
      var reader = try TraceReader(path: packed)
      var batch = OperationBatch()
      while try reader.read(into: &batch) {}
      XCTAssertEqual(reader.fraction, 1)
      XCTAssertThrowsError(try reader.seek(toOperation: 0)) { XCTAssertEqual(($0 as? TraceError)?.category, .usage) }
    }
  }

  func testCutOffArchives() throws {
    let directory = try TestDirectory()
    let raw = try directory.write(RawTrace.varied.bytes, "trace.mlt")
    for (program, arguments) in packers {
      let bytes = try pack(raw, program, arguments)
      let path = try directory.write(bytes.prefix(bytes.count / 2), "cut")
      XCTAssertThrowsError(try Trace(path: path)) { error in
        XCTAssertEqual(
          "\(error)",
          "\(path): \(program) failed with status 1, expected a whole archive (it is cut off or damaged)")
      }
    }
  }

  func testNoArchiveBehindTheMagic() throws {
    let directory = try TestDirectory()
    for compression in Compression.known {
      for rest in [[], [UInt8](repeating: 0x55, count: 3_000_000)] {
        let path = try directory.write(compression.magic + rest)
        XCTAssertThrowsError(try Trace(path: path)) { XCTAssertEqual(($0 as? TraceError)?.category, .badData) }
      }
    }
  }

  func testStoppingEarlyLeavesNothing() throws {
    let directory = try TestDirectory()
    let raw = try directory.write(RawTrace.varied.bytes, "trace.mlt")
    let packed = try directory.write(pack(raw, "gzip", ["-c"]), "packed")
    func openFiles() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
    let before = try openFiles()
    for _ in 0..<20 {
      var reader = try TraceReader(path: packed)
      var batch = OperationBatch()
      XCTAssertTrue(try reader.read(into: &batch))
    }
    XCTAssertEqual(try openFiles(), before)
    let children = try String(contentsOfFile: "/proc/self/task/\(getpid())/children", encoding: .utf8)
    XCTAssertEqual(children, "")
  }

  func testMissingProgram() throws {
    let compression = Compression(magic: [], program: "memlab-has-no-such-program", arguments: [])
    XCTAssertThrowsError(try Decompressor(compression, start: [], file: "a.zst")) { error in
      XCTAssertEqual((error as? TraceError)?.category, .unavailable)
      XCTAssertEqual("\(error)", "a.zst: needs the program memlab-has-no-such-program, which is not installed")
    }
  }
}
