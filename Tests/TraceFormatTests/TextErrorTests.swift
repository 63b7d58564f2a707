import Paging
import XCTest

@testable import TraceFormat

final class TextErrorTests: XCTestCase {
  private func error(_ text: String) throws -> String {
    let directory = try TestDirectory()
    let path = try directory.write(text: text)
    do throws(TraceError) {
      _ = try Trace(path: path, format: .text)
      return "none"
    } catch {
      XCTAssertEqual(error.category, .badData)
      return error.description.replacing(directory("trace.txt"), with: "T")
    }
  }

  func testBadOperations() throws {
    let address = "expected a hexadecimal address or value"
    let cases: [(line: String, message: String)] = [
      ("frobnicate 1", "expected an operation, found `frobnicate`"),
      ("r", "\(address), found the end of the line"),
      ("r xyz", "\(address), found `xyz`"),
      ("r 0x", "\(address), found `0x`"),
      ("r 10000000000000000", "\(address), found `10000000000000000`"),
      ("r 1000 0", "expected a number from 1 to 65535, found `0`"),
      ("w 1000 65536", "expected a number from 1 to 65535, found `65536`"),
      ("x 1000 -1", "expected a number from 0 to 65535, found `-1`"),
      ("r 1000 8 9", "expected the end of the line, found `9`"),
      ("pte 1000", "expected an entry, hexadecimal, found the end of the line"),
      ("pte 1000 5 6", "expected @ or the end of the line, found `6`"),
      ("pte 1000 5 @", "expected a virtual address, hexadecimal, found the end of the line"),
      ("table 1008 1", "expected the hexadecimal address of a page, a multiple of 1000, found `1008`"),
      ("gone 1 1", "expected the hexadecimal address of a page, a multiple of 1000, found `1`"),
      ("table 1000 6", "expected a level from 1 to 5, or 1/32 or 2/32, found `6`"),
      ("table 1000 3/32", "expected a level from 1 to 5, or 1/32 or 2/32, found `3/32`"),
      (
        "table 1000 1/32 1023=5 1024=5",
        "expected INDEX=VALUE with an index from 0 to 511 (after LEVEL/32: 1023) and a hexadecimal value, found `1024=5`"
      ),
      (
        "table 1000 1/32 5=100000000",
        "expected INDEX=VALUE with an index from 0 to 511 (after LEVEL/32: 1023) and a hexadecimal value, "
          + "found `5=100000000`"
      ),
      (
        "table 1000 1 512=5",
        "expected INDEX=VALUE with an index from 0 to 511 (after LEVEL/32: 1023) and a hexadecimal value, found `512=5`"
      ),
      ("table 1000 1 5=5 5=6", "entry 5 is given twice, expected once"),
      ("0=5", "expected an operation, found `0=5`"),
      ("CR3 1000", "expected an operation, found `CR3`"),
      ("interrupt 256", "expected a number from 0 to 255, found `256`"),
      ("interrupt 3 0", "expected a RIP, hexadecimal, found the end of the line"),
      ("fault 1000", "expected an error code, hexadecimal, found the end of the line"),
      ("invpcid 4 0 0", "expected a number from 0 to 3, found `4`"),
      ("cpu 1024", "expected a number from 0 to 1023, found `1024`"),
      ("ram 0", "expected a number of bytes, not 0 (decimal, 0x…, suffix K, M or G), found `0`"),
      ("ram 99999999999G", "expected a number of bytes, not 0 (decimal, 0x…, suffix K, M or G), found `99999999999G`"),
      ("map 1000 4096 rr", "expected letters of rwxfs, or -, found `rr`"),
      ("protect 1000 4096 rf", "expected letters of rwx, or -, found `rf`"),
      ("map 1000 x rw", "expected a length in bytes, decimal, found `x`"),
      ("dma up 1000 8", "expected read or write, found `up`"),
      ("hypercall", "expected a hypercall's name, found the end of the line"),
      ("note a b", "expected header lines before the first operation, found `note`"),
      ("guest scenario", "expected header lines before the first operation, found `guest`"),
      ("r \u{7}é", "\(address), found `???`"),
      ("r \(String(repeating: "z", count: 99))", "\(address), found `\(String(repeating: "z", count: 40))…`"),
    ]
    for (line, message) in cases {
      XCTAssertEqual(try error("memlab-trace 1\n\n# comment\nmark\n\(line)\nmark\n"), "T: line 5: \(message)")
    }
  }

  func testBadHeaders() throws {
    let cases: [(text: String, message: String)] = [
      ("memlab-trace 2\n", "line 1: expected `memlab-trace 1`"),
      ("memlab-trace 1 2\n", "line 1: expected `memlab-trace 1`"),
      ("\nmemlab-trace 1\n", "line 1: expected `memlab-trace 1`"),
      ("memlab-trace 1\nguest host\n", "line 2: expected recorded, scenario or process, found `host`"),
      ("memlab-trace 1\nguest\n", "line 2: expected recorded, scenario or process, found the end of the line"),
      ("memlab-trace 1\nguest process\nguest process\n", "line 3: expected one line `guest`, found a second one"),
      ("memlab-trace 1\nnote\n", "line 2: expected a note's key: a word of UTF-8"),
      (
        "memlab-trace 1\n" + String(repeating: "note a b\n", count: 1001),
        "line 1002: too many notes, expected at most 1000 and 2^19 bytes"
      ),
    ]
    for (text, message) in cases { XCTAssertEqual(try error(text), "T: \(message)") }
  }

  func testLongLines() throws {
    let start = "memlab-trace 1\nmark\n"
    let blanks = String(repeating: " ", count: 65_536 - 4)
    XCTAssertEqual(try error(start + "mark" + blanks), "none")
    XCTAssertEqual(try error(start + "mark" + blanks + " "), "T: line 3: expected a line of at most 65536 bytes")
    XCTAssertEqual(
      try error(start + "mark" + blanks + " \nmark\n"), "T: line 3: expected a line of at most 65536 bytes")
  }

  func testInvalidUTF8() throws {
    let directory = try TestDirectory()
    let path = try directory.write(Array("memlab-trace 1\nhypercall ".utf8) + [0xc3, 0x28, 0x0a])
    XCTAssertThrowsError(try Trace(path: path)) {
      XCTAssertEqual(($0 as? TraceError)?.message, "expected a hypercall of UTF-8")
    }
  }
}
