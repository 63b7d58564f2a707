import Reporting
import XCTest

/// Tables that are read again.
final class CSVReadingTests: XCTestCase {
  func testWhatIsWrittenIsReadAgain() throws {
    let rows = [["a", "b,c", ""], ["\"", "line\nfeed", "x\"y\""], ["", "", ""], ["ä", "\r", " "]]
    XCTAssertEqual(try CSV.records(rows.map(CSV.line).joined()), rows)
  }

  func testLineEnds() throws {
    XCTAssertEqual(try CSV.records("a,b\r\n1,2\r\n"), [["a", "b"], ["1", "2"]])
    XCTAssertEqual(try CSV.records("a,b\n1,2"), [["a", "b"], ["1", "2"]])
    XCTAssertEqual(try CSV.records("\"a\"\r\n\"b\"\r\n"), [["a"], ["b"]])
    XCTAssertEqual(try CSV.records("a,\n1,\n"), [["a", ""], ["1", ""]])
    XCTAssertEqual(try CSV.records(""), [])
  }

  func testWhatIsNoTable() {
    for (text, line, message) in [
      ("a,b\n1\n", 2, "1 fields, expected 2 as in the header"), ("a\n\"b\n", 2, "a quoted field without its end"),
      ("a\n\"b\"c\n", 2, "text behind a quoted field, expected a comma or the line's end"),
      ("a,b\n\"x\ny\",1\n1\n", 4, "1 fields, expected 2 as in the header"),
    ] {
      do throws(CSV.ReadingError) {
        _ = try CSV.records(text)
        XCTFail("is no error: \(text)")
      } catch {
        XCTAssertEqual(error.line, line, text)
        XCTAssertEqual(error.message, message, text)
      }
    }
  }
}
