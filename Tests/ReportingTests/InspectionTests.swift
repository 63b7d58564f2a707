import Machine
import Paging
import XCTest

@testable import Reporting

/// What `memlab inspect` finds in a small trace.
final class InspectionTests: XCTestCase {
  /// Root at 1000, tables at 2000, 3000 and 4000; 4K pages at 0 and 1000, a 2M page at 200000.
  private static func trace() -> OperationBatch {
    var batch = OperationBatch()
    batch.append(Operation(.ram, 1 << 20))
    batch.append(Operation(.loadCR3, 0x1000))
    batch.appendTable(at: 0x1000, level: 4, entries: [(0, 0x2007)])
    batch.appendTable(at: 0x2000, level: 3, entries: [(0, 0x3007)])
    batch.appendTable(at: 0x3000, level: 2, entries: [(0, 0x4007), (1, 0x20_0087)])
    batch.appendTable(at: 0x4000, level: 1, entries: [(0, 0x7007), (1, 0x8005)])
    batch.append(Operation(.load, 0x10, size: 4, flags: .user))
    batch.append(Operation(.store, 0x1ff8, size: 16))
    batch.append(Operation(.fetch, 0x20_1000, size: 3, flags: .user))
    batch.append(Operation(.load, 0x40_0000, size: 8))
    batch.append(Operation(.tableStore, 0x4000, size: 8, flags: .hasPayload), words: [0x7005, 0x20_4000])
    batch.append(Operation(.tableStore, 0x4008, size: 0, flags: .hasPayload), words: [0, 0x20_4008])
    batch.append(Operation(.tableStore, 0x9000), words: [0x5001])
    batch.append(Operation(.fault, 0x1000, flags: [.user, .hasPayload]), words: [7, 0x10])
    batch.append(Operation(.fault, 0x5000), words: [0x10])
    batch.append(Operation(.interrupt, 0, size: 236))
    batch.append(Operation(.loadCR3, 0x1000))
    batch.append(Operation(.load, 0x10, size: 4, flags: .user))
    batch.append(Operation(.loadCR3, 0x5000))
    batch.append(Operation(.load, 0x10, size: 4, flags: .user))
    batch.append(Operation(.tableGone, 0x4000, size: 1))
    return batch
  }

  func testCounts() {
    var found = Inspection()
    found.add(Self.trace())
    XCTAssertEqual(found.accesses, 7)
    XCTAssertEqual([found.loads.user, found.loads.supervisor], [3, 1])
    XCTAssertEqual([found.stores.user, found.stores.supervisor], [0, 2])
    XCTAssertEqual(found.count(of: .store), 1, "a page-table store is an operation of its own kind")
    XCTAssertEqual(found.instructions, 3)
    XCTAssertEqual([found.bytesRead, found.bytesWritten], [20, 24])
    XCTAssertEqual(PageSize.allCases.map(found.accesses(to:)), [3, 2, 0])
    XCTAssertEqual(found.unmapped, 2, "one that nothing maps, one under a root without tables")
    XCTAssertEqual([found.supervisorPages, found.userPages], [3, 3])
    XCTAssertEqual([found.cr3Loads, found.sameRootLoads, UInt64(found.roots.count)], [2, 1, 2])
    XCTAssertEqual(found.tables.snapshot, 4)
    XCTAssertEqual(found.tables.snapshotEntries, 6)
    XCTAssertEqual(found.tables.gone, 1)
    XCTAssertEqual(found.tableStores.total, 3)
    XCTAssertEqual(found.tableStores.levels[1], 2)
    XCTAssertEqual(found.tableStores.levels[0], 1)
    XCTAssertEqual(found.tableStores.accesses, 1)
    XCTAssertEqual(found.tableStores[.writeProtection], 1)
    XCTAssertEqual(found.tableStores[.unmapping], 1)
    XCTAssertEqual(found.tableStores[.mapping], 1)
    XCTAssertEqual(found.faults, [PageFaultCode(rawValue: 7): 1, PageFaultCode(rawValue: 0x10): 1])
    XCTAssertEqual(found.interrupts, [236: 1])
  }

  func testChangesOfEntries() {
    let changes: [(UInt64, UInt64, Inspection.Change)] = [
      (0x7007, 0x7007, .none), (0, 0, .none), (0, 0x7007, .mapping), (0x7007, 0, .unmapping), (0x7007, 0x8067, .frame),
      (0x7007, 0x7067, .accessedDirty), (0x7027, 0x7025, .writeProtection), (0x7005, 0x7027, .otherPresent),
      (0x10, 0x20, .neverPresent),
    ]
    for (previous, value, change) in changes {
      var batch = OperationBatch()
      batch.append(Operation(.tableStore, 0x4000), words: [previous])
      var found = Inspection()
      found.add(batch)
      batch.removeAll(first: 1)
      batch.append(Operation(.tableStore, 0x4000), words: [value])
      let before = found.tableStores[change]
      found.add(batch)
      XCTAssertEqual(found.tableStores[change], before + 1, "\(previous) to \(value)")
    }
  }

  func testProcessorsHaveTheirOwnRoots() {
    var batch = OperationBatch()
    batch.append(Operation(.loadCR3, 0x1000))
    batch.append(Operation(.load, 0x10, size: 8, flags: .user))
    batch.append(Operation(.cpu, 1))
    batch.append(Operation(.loadCR3, 0x2000))
    batch.append(Operation(.load, 0x10, size: 8, flags: .user))
    batch.append(Operation(.cpu, 0))
    batch.append(Operation(.load, 0x10, size: 8, flags: .user))
    batch.append(Operation(.loadCR3, 0x1000))
    var found = Inspection()
    found.add(batch)
    XCTAssertEqual(found.userPages, 2)
    XCTAssertEqual([found.cr3Loads, found.sameRootLoads], [1, 1], "the second processor's first load sets its state")
  }

  func testNamesOfErrorCodes() {
    let names = [0, 2, 3, 4, 6, 7, 0x14, 0x15, 0xb].map { InspectionReport.name(of: PageFaultCode(rawValue: $0)) }
    XCTAssertEqual(names, ["SR-", "SW-", "SWP", "UR-", "UW-", "UWP", "IUR-", "IURP", "SWV"])
  }

  func testTheReport() {
    var found = Inspection()
    found.add(Self.trace())
    let text = InspectionReport.text("tiny", guest: "recorded", found)
    XCTAssertTrue(text.hasPrefix("tiny: a recorded trace\n\n  RAM, bytes   "), text)
    let lines = [
      "accesses 7", "to 2M pages 2 28.57 %",
      "UWP, code 7: user store, rights 1", "vector 236 1", "write permission taken 1 33.33 %",
    ]
    for line in lines {
      let isThere = text.split(separator: "\n").contains { $0.split(separator: " ").joined(separator: " ") == line }
      XCTAssertTrue(isThere, "\(line) is not in\n\(text)")
    }
  }
}
