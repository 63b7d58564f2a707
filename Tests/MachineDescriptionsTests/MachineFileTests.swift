import MachineDescriptions
import XCTest

/// Files that do not describe a machine.
final class MachineFileTests: XCTestCase {
  private func assertBad(_ text: String, _ message: String, file: StaticString = #filePath, line: UInt = #line) {
    XCTAssertThrowsError(try MachineFile(text: Array(text.utf8), origin: "m.json"), file: file, line: line) { error in
      XCTAssertEqual(error as? MachineError, MachineError(.badData, "m.json: " + message), file: file, line: line)
    }
  }

  func testTextThatIsNotJSON() {
    let message = "not valid JSON (python3 -m json.tool m.json shows where)"
    for text in ["", "{\"a\":", "{\"a\" 1}", "[1, 2", "{\"a\": 01}", "{\"a\": tru }", "{\"a\": \"x", "{} x", "\"\\q\""]
    {
      assertBad(text, message)
    }
    assertBad(String(repeating: "[", count: 100_000), message)
    XCTAssertThrowsError(try MachineFile(text: [0x22, 0xff, 0x22], origin: "m.json")) { error in
      XCTAssertEqual(error as? MachineError, MachineError(.badData, "m.json: " + message))
    }
  }

  func testWhatIsMissingOrTooMuch() throws {
    assertBad("[]", "a machine: expected an object in braces, found a list")
    assertBad("{}", "name is missing")
    assertBad("{\"name\": 3}", "name is 3, expected a text in quotes")
  }

  func testAFileIsReadAsTheShippedOnes() throws {
    let text = Self.minimal
    let machine = try MachineFile(text: Array(text.utf8), origin: "m.json").description()
    XCTAssertEqual(machine.name, "mine \u{1F600}/\u{e9}")
    XCTAssertEqual(machine.maxPhysicalAddressBits, 36)
    XCTAssertEqual(machine.l1Data.first?.sets, 4)
    assertBad(
      text.replacing("\"4K\"", with: "\"8K\""), "tlb.l1d.8K: expected page sizes of 4K, 2M, 1G, joined by +")
    assertBad(
      text.replacing("\"entries\": 16", with: "\"entries\": 1.5"),
      "tlb.l1d.4K.entries is 1.5, expected a whole number from 0")
    assertBad(text.replacing("\"pcid\"", with: "\"pcId\""), "pcid is missing")
    assertBad(
      text.replacing("\"pcid\": true", with: "\"pcid\": true, \"more\": 1"),
      "more: no such key; expected costs, fiveLevels, hugePages, maxphyaddr, name, nestedCaches, pageWalkCache, "
        + "pagingStructureCaches, pcid, sensitiveInstructionsTrap, softwareTLB, summary, tlb, walkCaches")
    assertBad(text.replacing("36", with: "31"), "maxphyaddr is 31, expected 32 to 52")
    assertBad(
      text.replacing("\"bytes\": 128", with: "\"bytes\": 100"), "walkCaches.A.bytes: 100, expected a multiple of 64")
  }

  func testAFileThatIsNotThere() {
    XCTAssertThrowsError(try MachineFile("/nonexistent/m.json")) { error in
      XCTAssertEqual(error as? MachineError, MachineError(.noInput, "/nonexistent/m.json: no such file"))
    }
    XCTAssertThrowsError(try MachineFile("nosuch")) { error in
      XCTAssertEqual((error as? MachineError)?.category, .usage)
    }
  }

  private static let minimal = """
    {"name": "mine \\ud83d\\ude00\\/\\u00e9", "summary": "", "maxphyaddr": 36, "hugePages": false, "fiveLevels": false,
     "pcid": true, "tlb": {"l1i": {}, "l1d": {"4K": {"entries": 16, "ways": 4}}, "l2": {}},
     "pagingStructureCaches": {}, "walkCaches": [{"name": "A", "bytes": 128, "ways": 1, "cycles": 2}],
     "costs": {"l2Hit": 1, "memory": 1, "faultDelivery": 1, "loadCR3": 1, "invlpg": 1, "exit": 1, "fill": 1,
     "emulation": 1, "injection": 1, "intercept": 1, "hypercall": 1, "validation": 1}}
    """
}
