import XCTest

@testable import Paging

final class BatchTests: XCTestCase {
  /// A table's payload is a bit map of eight words and the entries that are not zero, in order.
  func testTablePayload() {
    var batch = OperationBatch()
    batch.appendTable(at: 0x1000, level: 2, entries: [(0, 7), (63, 0), (64, 9), (511, 11)])
    let operation = batch.operations[0]
    XCTAssertEqual(Array(batch.payload(of: operation)), [1, 1, 0, 0, 0, 0, 0, 1 << 63, 7, 9, 11])
    XCTAssertEqual(operation.size, 2)
  }

  func testPayloadCounts() {
    var batch = OperationBatch()
    batch.append(Operation(.tableStore, 0x1000), words: [1])
    batch.append(Operation(.tableStore, 0x1000, size: 8, flags: .hasPayload), words: [1, 2])
    batch.append(Operation(.fault, 0x1000, flags: .hasPayload), words: [6, 0x40_0000])
    batch.append(Operation(.interrupt, size: 32), words: [])
    batch.append(Operation(.invpcid, 0, size: 1), words: [5])
    batch.append(Operation(.load, 0x1000, size: 8))
    let counts = (0..<batch.count).map { batch.payloadCount(of: batch.operations[$0]) }
    XCTAssertEqual(counts, [1, 2, 2, 0, 1, 0])
    XCTAssertEqual(Array(batch.payload(of: batch.operations[2])), [6, 0x40_0000])
    batch.removeAll(first: 6)
    XCTAssertTrue(batch.isEmpty && batch.words.isEmpty)
    XCTAssertEqual(batch.firstNumber, 6)
    for _ in 0..<OperationBatch.capacity { batch.append(Operation(.mark)) }
    XCTAssertTrue(batch.isFull)
  }
}
