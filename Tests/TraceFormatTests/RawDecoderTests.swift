import Paging
import XCTest

@testable import TraceFormat

final class RawDecoderTests: XCTestCase {
  private func read(_ trace: RawTrace) throws -> [FlatOperation] {
    let directory = try TestDirectory()
    return Array(try Trace(path: directory.write(trace.bytes)).operations.dropFirst(4))
  }

  private func error(_ bytes: [UInt8]) throws -> String {
    let directory = try TestDirectory()
    let path = try directory.write(bytes)
    do throws(TraceError) {
      _ = try Trace(path: path, format: .raw)
      return "none"
    } catch {
      XCTAssertEqual(error.category, .badData)
      return error.description.replacing(directory("trace"), with: "T")
    }
  }

  func testHeaderBecomesOperationsAndNotes() throws {
    let directory = try TestDirectory()
    let trace = try Trace(path: directory.write(RawTrace(filter: 1).bytes))
    XCTAssertEqual(
      trace.operations.map(\.operation),
      [
        Operation(.ram, 1 << 28), Operation(.loadCR0, 0x8005_0033), Operation(.loadCR4, 0x20),
        Operation(.loadCR3, 0x1000),
      ])
    XCTAssertEqual(trace.header.guest, .recorded)
    XCTAssertEqual(
      trace.header.notes.map { "\($0.key) \($0.value)" }, ["source raw-1", "filter page", "idt-base fffffe0000000000"])
  }

  func testAccesses() throws {
    var raw = RawTrace()
    raw.add(0, 0x8000_0000_0000, aux: 0)
    raw.add(1, 0x1234, aux: 6, user: true)
    raw.add(2, 0x2000, aux: 0)
    raw.add(2, 0x3000, aux: 2047, user: true)
    XCTAssertEqual(
      try read(raw).map(\.operation),
      [
        Operation(.load, 0xffff_8000_0000_0000, size: 1), Operation(.store, 0x1234, size: 64, flags: .user),
        Operation(.fetch, 0x2000, size: 0), Operation(.fetch, 0x3000, size: 2047, flags: .user),
      ])
  }

  func testStoreAndItsTableWriteAreOneOperation() throws {
    var raw = RawTrace()
    raw.add(1, 0x8000_0000_2008, aux: 2)
    raw.add(3, 0x2008, aux: 2, 0x77, 0)
    XCTAssertEqual(
      try read(raw),
      [
        FlatOperation(
          Operation(.tableStore, 0x2008, size: 4, flags: .hasPayload), [0x77, 0xffff_8000_0000_2008])
      ])
  }

  func testWideStoreOverSeveralEntriesWithTablesBetween() throws {
    var raw = RawTrace()
    raw.add(1, 0x5000, aux: 5, user: true)
    raw.add(3, 0x2000, aux: 2, 0x11, 0)
    raw.addTable(0x9000, level: 1, [(5, 6)])
    raw.add(3, 0x2008, aux: 2, 0x12, 0)
    raw.add(10, 0x9000, aux: 1)
    raw.add(3, 0x2010, aux: 2, 0x13, 0)
    raw.add(2, 0x100, aux: 1)
    raw.add(3, 0x2018, aux: 2, 0x14, 0)
    let flags: Operation.Flags = [.user, .hasPayload]
    let operations = try read(raw)
    XCTAssertEqual(
      operations.map(\.operation.kind),
      [
        .tableStore, .table, .tableStore, .tableGone, .tableStore, .fetch, .tableStore,
      ])
    XCTAssertEqual(
      operations[0], FlatOperation(Operation(.tableStore, 0x2000, size: 32, flags: flags), [0x11, 0x5000]))
    XCTAssertEqual(operations[2], FlatOperation(Operation(.tableStore, 0x2008, size: 0, flags: flags), [0x12, 0x5000]))
    XCTAssertEqual(operations[4], FlatOperation(Operation(.tableStore, 0x2010, size: 0, flags: flags), [0x13, 0x5000]))
    XCTAssertEqual(operations[6], FlatOperation(Operation(.tableStore, 0x2018, size: 8), [0x14]))
  }

  /// The table write may be the first record that does not fit in the store's batch.
  func testStoreAtTheEndOfABatch() throws {
    for before in 4080...4100 {
      var raw = RawTrace()
      for _ in 0..<before { raw.add(0, 0x1000, aux: 3) }
      raw.add(1, 0x5000, aux: 4)
      raw.add(3, 0x2000, aux: 2, 0x11, 0)
      raw.add(3, 0x2008, aux: 2, 0x12, 0)
      raw.add(1, 0x5000, aux: 3)
      raw.add(2, 0x5000, aux: 3)
      let operations = try read(raw)
      XCTAssertEqual(operations.count, before + 4)
      XCTAssertEqual(operations.suffix(4).map(\.operation.kind), [.tableStore, .tableStore, .store, .fetch])
      XCTAssertEqual(operations[before].operation.size, 16)
      XCTAssertEqual(operations[before + 1].words, [0x12, 0x5000])
    }
  }

  func testCPUBringsItsCR3OnlyWhenItIsNew() throws {
    var raw = RawTrace(cr3: 0x1000)
    raw.add(11, aux: 0, 0x1000)
    raw.add(11, aux: 1, 0x1000)
    raw.add(4, 0, 0x7000)
    raw.add(11, aux: 0, 0x1000)
    raw.add(11, aux: 1, 0x7000)
    raw.add(11, aux: 0, 0x8000)
    raw.add(11, aux: 1023, 0x8000)
    XCTAssertEqual(
      try read(raw).map(\.operation),
      [
        Operation(.cpu, 0), Operation(.cpu, 1), Operation(.loadCR3, 0x1000), Operation(.loadCR3, 0x7000),
        Operation(.cpu, 0), Operation(.cpu, 1), Operation(.cpu, 0), Operation(.loadCR3, 0x8000),
        Operation(.cpu, 1023), Operation(.loadCR3, 0x8000),
      ])
  }

  func testCPURecordThatFillsABatch() throws {
    for before in 4085...4095 {
      var raw = RawTrace()
      for _ in 0..<before { raw.add(0, 0x1000, aux: 3) }
      raw.add(11, aux: 1, 0x7000)
      raw.add(9)
      let kinds = try read(raw).suffix(3).map(\.operation.kind)
      XCTAssertEqual(kinds, [.cpu, .loadCR3, .mark])
    }
  }

  func testEvents() throws {
    var raw = RawTrace()
    raw.add(7, 0xffff_8000_0000, aux: 14, user: true, 6, 0x401000)
    raw.add(7, 0, aux: 3, 1, 2)
    raw.add(8, 0, aux: 0, 0x33)
    raw.add(8, 0, aux: 4, 0x44)
    raw.add(5, 0xffff_8000_1000)
    raw.add(9)
    XCTAssertEqual(
      try read(raw),
      [
        FlatOperation(Operation(.fault, 0xffff_ffff_8000_0000, flags: [.user, .hasPayload]), [6, 0x401000]),
        FlatOperation(Operation(.interrupt, size: 3, flags: .hasPayload), [1, 2]),
        FlatOperation(Operation(.loadCR0, 0x33)), FlatOperation(Operation(.loadCR4, 0x44)),
        FlatOperation(Operation(.invlpg, 0xffff_ffff_8000_1000)), FlatOperation(Operation(.mark)),
      ])
  }

  func testNonsenseIsToldWithItsOffset() throws {
    func made(_ change: (inout RawTrace) -> Void) -> [UInt8] {
      var raw = RawTrace()
      raw.add(9)
      change(&raw)
      return raw.bytes
    }
    let cases: [([UInt8], String)] = [
      (made { $0.add(12) }, "T: offset 72: record type is 12, expected 0 to 11"),
      (made { $0.add(0, aux: 7) }, "T: offset 72: access of 2^7 bytes, expected 2^0 to 2^6"),
      (made { $0.add(8, aux: 2, 0) }, "T: offset 72: load of CR2, expected CR0 or CR4"),
      (made { $0.add(7, aux: 256, 0, 0) }, "T: offset 72: exception vector is 256, expected 0 to 255"),
      (made { $0.add(11, aux: 1024, 0) }, "T: offset 72: virtual CPU 1024, expected 0 to 1023"),
      (made { $0.addTable(0x1000, level: 6, []) }, "T: offset 72: table level is 6, expected 1 to 5"),
      (made { $0.add(10, 0x1000, aux: 0) }, "T: offset 72: table level is 0, expected 1 to 5"),
      (
        made { $0.addTable(0x1000, level: 1, [(0, 1), (1, 0)]) },
        "T: offset 152: table entry is 0, expected one that is not"
      ),
      (RawTrace(ram: 0).bytes, "T: offset 8: RAM size is 0, expected bytes"),
      (RawTrace(filter: 3).bytes, "T: offset 48: filter is 3, expected 0 (all), 1 (page) or 2 (none)"),
      (made { $0.words[0] += 1 }, "T: offset 0: expected the first bytes MMLTRC01"),
      (made { $0.add(4) }, "T: offset 80: cut off, expected a CR3 value"),
    ]
    for (bytes, message) in cases { XCTAssertEqual(try error(bytes), message) }
  }

  func testCutOffAnywhere() throws {
    var raw = RawTrace()
    raw.add(1, 0x1000, aux: 3)
    raw.add(3, 0x1000, aux: 2, 5, 6)
    raw.addTable(0x1000, level: 1, [(7, 8)])
    let bytes = raw.bytes
    // Between two records a raw recording may end: nothing in it says how long it is.
    let ends = [64, 72, 96, 176]
    XCTAssertEqual(bytes.count, 176)
    for length in 0...bytes.count {
      let message = try error(Array(bytes[..<length]))
      if ends.contains(length) {
        XCTAssertEqual(message, "none", "\(length) bytes")
      } else {
        XCTAssertTrue(message.hasPrefix("T: offset \(length): cut off, expected "), message)
      }
    }
  }
}
