import Paging
import XCTest

@testable import TraceFormat

final class TextFormTests: XCTestCase {
  private func read(_ lines: String) throws -> Trace {
    let directory = try TestDirectory()
    return try Trace(path: directory.write(text: "memlab-trace 1\n" + lines))
  }

  func testHeader() throws {
    XCTAssertEqual(try read("").header, TraceHeader(guest: .scenario))
    XCTAssertEqual(
      try read("# a comment\n\nguest process # here too\nnote made  by # hand \nnote empty\nmark\n").header,
      TraceHeader(
        guest: .process, notes: [.init(key: "made", value: "by # hand"), .init(key: "empty", value: "")]))
  }

  func testEveryLine() throws {
    let lines: [(line: String, operation: FlatOperation)] = [
      ("r 1000", .init(Operation(.load, 0x1000, size: 8, flags: .user))),
      ("R 0xFFFF 4 # four bytes", .init(Operation(.load, 0xffff, size: 4))),
      ("w ffffffffffffffff 65535", .init(Operation(.store, .max, size: 65_535, flags: .user))),
      ("\tx  400000\r", .init(Operation(.fetch, 0x400000, size: 1, flags: .user))),
      ("X 400000 0", .init(Operation(.fetch, 0x400000))),
      ("PTE 2000 5", .init(Operation(.tableStore, 0x2000, size: 8), [5])),
      ("pte 2000 5 @ 7000", .init(Operation(.tableStore, 0x2000, size: 8, flags: [.user, .hasPayload]), [5, 0x7000])),
      ("PTE 2000 5 @ 7000 0", .init(Operation(.tableStore, 0x2000, size: 0, flags: .hasPayload), [5, 0x7000])),
      ("gone 3000 2", .init(Operation(.tableGone, 0x3000, size: 2))),
      ("cr3 8000000000001005", .init(Operation(.loadCR3, 0x8000_0000_0000_1005))),
      ("efer d01", .init(Operation(.loadEFER, 0xd01))),
      ("invpcid 1 12 7000", .init(Operation(.invpcid, 0x7000, size: 1), [12])),
      ("fault 7000 6", .init(Operation(.fault, 0x7000, flags: .user), [6])),
      ("FAULT 7000 6 400000", .init(Operation(.fault, 0x7000, flags: .hasPayload), [6, 0x400000])),
      ("interrupt 32", .init(Operation(.interrupt, size: 32, flags: .user))),
      ("INTERRUPT 13 8 400000", .init(Operation(.interrupt, size: 13, flags: .hasPayload), [8, 0x400000])),
      ("load 2000", .init(Operation(.readBack, 0x2000))),
      ("hypercall  mmu_update   2000 5", .init(Operation(.hypercall), string: "mmu_update 2000 5")),
      ("ram 64M", .init(Operation(.ram, 64 << 20))), ("ram 0x1000", .init(Operation(.ram, 4096))),
      ("ram 2G", .init(Operation(.ram, 2 << 30))), ("ram 4K", .init(Operation(.ram, 4096))),
      ("fork 1 2", .init(Operation(.fork, 1), [2])), ("switch 10", .init(Operation(.switchProcess, 10))),
      ("map 1000 4096 rx", .init(Operation(.map, 0x1000, size: 5), [4096])),
      ("map 1000 4096 rws", .init(Operation(.map, 0x1000, size: 6 | 16), [4096])),
      (
        "map 1000 4096 rf file 3 8192",
        .init(Operation(.map, 0x1000, size: 4 | 8, flags: .hasPayload), [4096, 3, 8192])
      ),
      ("remap 1000 4096 7000 8192", .init(Operation(.remap, 0x1000), [4096, 0x7000, 8192])),
      ("folded 12 0 3", .init(Operation(.folded), [12, 0, 3])),
      ("protect 1000 4096 -", .init(Operation(.protect, 0x1000), [4096])),
      ("content 1000 ab", .init(Operation(.content, 0x1000), [0xab])),
      ("dma write 1000 512", .init(Operation(.dma, 0x1000, size: 1), [512])),
      ("mark", .init(Operation(.mark))),
    ]
    for (line, operation) in lines { XCTAssertEqual(try read(line).operations, [operation], line) }
    let whole = try read(lines.map(\.line).joined(separator: "\n\n"))
    XCTAssertEqual(whole.operations, lines.map(\.operation))
  }

  func testTableOnOneLineAndOnSeveral() throws {
    var expected = OperationBatch()
    expected.appendTable(at: 0x1000, level: 2, entries: [(3, 0x67), (511, 5)])
    expected.append(Operation(.mark))
    let operations = (0..<2).map { FlatOperation(expected.operations[$0], in: expected) }
    XCTAssertEqual(try read("table 1000 2 3=67 511=5\nmark\n").operations, operations)
    XCTAssertEqual(try read("table 1000 2\n  511=0x5\n\n# so\n  3=67 7=0\nmark").operations, operations)
    XCTAssertEqual(try read("table 1000 2 3=67\n511=5").operations, [operations[0]])
  }

  func testManyTablesOverBatches() throws {
    let entries = (0..<512).map { "\($0)=\(String($0 + 1, radix: 16))" }.joined(separator: " ")
    let trace = try read(String(repeating: "table 1000 1\n \(entries)\n", count: 200))
    XCTAssertEqual(trace.operations.count, 200)
    XCTAssertTrue(trace.operations.allSatisfy { $0.words.count == 520 && $0.words[519] == 512 })
  }

  func testManyLongHypercallsStayInBounds() throws {
    let directory = try TestDirectory()
    let line = "hypercall " + String(repeating: "a", count: 50_000) + "\n"
    let path = try directory.write(text: "memlab-trace 1\n" + String(repeating: line, count: 40))
    var reader = try TraceReader(path: path)
    var batch = OperationBatch()
    var count = 0
    while try reader.read(into: &batch) {
      XCTAssertLessThan(batch.count, 10)
      count += batch.count
    }
    XCTAssertEqual(count, 40)
    let trace = try Trace(path: path)
    try trace.write(directory("t.bin"), .binary)
    XCTAssertEqual(try Trace(path: directory("t.bin")), trace)
  }

  func testCanonicalText() throws {
    let directory = try TestDirectory()
    let canonical = """
      memlab-trace 1
      guest scenario
      note by hand
      ram 268435456
      r 1000
      R 1000 4
      x 400000
      X 400000 3
      PTE 2000 5 @ 7000
      pte 2000 5 @ 7000 1
      table 1000 4 0=2067 511=ff
      fault 7000 6
      interrupt 14
      map 1000 4096 rwx
      map 2000 4096 rxf
      dma read 1000 1
      hypercall a b

      """
    try read(canonical.split(separator: "\n").dropFirst().joined(separator: "\n"))
      .write(directory("t.txt"), .text)
    XCTAssertEqual(String(decoding: try directory.read("t.txt"), as: UTF8.self), canonical)
  }
}
