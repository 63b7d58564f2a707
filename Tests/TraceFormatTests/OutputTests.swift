import Foundation
import Paging
import XCTest

@testable import TraceFormat

final class OutputTests: XCTestCase {
  private let trace = Trace([FlatOperation(Operation(.mark))])

  private func category(_ body: () throws -> Void) -> TraceError.Category? {
    do { try body() } catch { return (error as? TraceError)?.category }
    return nil
  }

  func testUnwritableOutput() throws {
    let directory = try TestDirectory()
    XCTAssertEqual(category { try trace.write(directory("no/such/place"), .binary) }, .cannotCreate)
    XCTAssertEqual(category { try trace.write(directory.path, .binary) }, .cannotCreate)
    XCTAssertEqual(category { try trace.write("", .text) }, .cannotCreate)
  }

  func testFullDevice() throws {
    for format in [TraceSpelling.binary, .text] {
      XCTAssertEqual(category { try trace.write("/dev/full", format) }, .inputOutput)
    }
    XCTAssertNil(category { try trace.write("/dev/null", .binary) })
  }

  func testNothingAppearsBeforeTheEnd() throws {
    let directory = try TestDirectory()
    do {
      var writer = try TraceWriter(path: directory("a.bin"), format: .binary, header: TraceHeader())
      try writer.append(OperationBatch())
      XCTAssertEqual(directory.names.count, 1)
      XCTAssertNotEqual(directory.names, ["a.bin"])
    }
    XCTAssertEqual(directory.names, [])
  }

  func testAnOldFileIsReplacedOnlyByAWholeOne() throws {
    let directory = try TestDirectory()
    let path = try directory.write([1, 2, 3], "a.bin")
    try FileManager.default.createSymbolicLink(atPath: directory("link"), withDestinationPath: path)
    do {
      var writer = try TraceWriter(path: path, format: .binary, header: TraceHeader())
      try writer.append(OperationBatch())
    }
    XCTAssertEqual(try directory.read("a.bin"), [1, 2, 3])
    try trace.write(directory("link"), .binary)
    XCTAssertEqual(try Trace(path: path), trace)
    XCTAssertEqual(directory.names, ["a.bin", "link"])
    XCTAssertEqual(try FileManager.default.destinationOfSymbolicLink(atPath: directory("link")), path)
  }

  func testReadOnlyFormatAndBadHeaders() throws {
    let directory = try TestDirectory()
    XCTAssertEqual(category { try trace.write(directory("a"), .raw) }, .usage)
    for note in [
      TraceHeader.Note(key: "two words", value: ""), .init(key: "a", value: "b\nc"), .init(key: "", value: ""),
    ] {
      var bad = trace
      bad.header.notes = [note]
      XCTAssertEqual(category { try bad.write(directory("a"), .text) }, .usage, "\(note)")
    }
    XCTAssertEqual(directory.names, [])
  }

  func testOperationsThatNoTraceCanHold() throws {
    let directory = try TestDirectory()
    let bad: [FlatOperation] = [
      .init(Operation(.load, 1)), .init(Operation(.load, 1, size: 1, flags: .hasPayload)),
      .init(Operation(.mark, 1)), .init(Operation(.mark, flags: .user)), .init(Operation(.cpu, 1024)),
      .init(Operation(.hypercall), string: "a\nb"), .init(Operation(.hypercall), string: "a#"),
      .init(Operation(.hypercall), string: ""), .init(Operation(.map, 1, size: 32), [1]),
      .init(Operation(.protect, 1, size: 8), [1]),
      .init(Operation(.fork, 1)), .init(Operation(.table, 1, size: 1), [0]), .init(Operation(.ram, 0)),
    ]
    for operation in bad {
      for format in [TraceSpelling.binary, .text] {
        XCTAssertEqual(
          category { try Trace([operation]).write(directory("a"), format) }, .badData, "\(operation)")
      }
    }
  }

  func testInputThatCannotBeOpened() throws {
    let directory = try TestDirectory()
    XCTAssertEqual(category { _ = try Trace(path: directory("nothing")) }, .noInput)
    XCTAssertEqual(category { _ = try Trace(path: directory.path) }, .noInput)
  }
}
