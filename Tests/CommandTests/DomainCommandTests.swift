import XCTest

/// `memlab replay --quantum`: traces as domains of one machine.
final class DomainCommandTests: XCTestCase {
  private func row(_ line: Substring) -> [String] {
    line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }

  func testDomainsTakeTurnsToTheirEnds() throws {
    let folder = try TemporaryFolder()
    let paths = [
      try folder.write(smallTrace + String(repeating: "r 10\n", count: 9000), to: "long.txt"),
      try folder.write(smallTrace, to: "short.txt"),
    ]
    let alone = try Program.run(["replay", "--mode", "direct", "--csv=-", "--"] + paths)
    let columns = [
      "trace", "operations", "true_faults", "tlb_misses", "exits", "hypercalls", "mmu_updates", "divergences",
    ]
    for quantum in ["1", "7", "100000"] {
      let options = ["replay", "--mode", "direct", "--check", "--quantum", quantum, "--csv=-", "--"]
      let result = try Program.run(options + paths)
      XCTAssertEqual(result.status, 0, result.errors)
      XCTAssertEqual(try fields(columns, result.output), try fields(columns, alone.output), "quantum \(quantum)")
    }
  }

  private func fields(_ columns: [String], _ csv: String) throws -> [[String]] {
    let lines = csv.split(separator: "\n")
    let places = try columns.map { try XCTUnwrap(row(lines[0]).firstIndex(of: $0), $0) }
    return lines.dropFirst().map { line in places.map { row(line)[$0] } }
  }

  func testLimitIsEachDomains() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace + String(repeating: "r 10\n", count: 9000), to: "t.txt")
    let result = try Program.run(
      ["replay", "--mode", "direct", "--quantum", "1000", "--limit", "5000", "--csv=-", trace, trace])
    XCTAssertEqual(result.status, 0, result.errors)
    let lines = result.output.split(separator: "\n")
    let column = try XCTUnwrap(row(lines[0]).firstIndex(of: "operations"))
    XCTAssertEqual(lines.dropFirst().map { row($0)[column] }, ["5000", "5000"])
  }

  func testOnlyDirectPagingHasDomains() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace, to: "t.txt")
    for mode in ["shadow", "all", "direct,native"] {
      let result = try Program.run(["replay", trace, "--mode", mode, "--quantum", "10"])
      XCTAssertEqual(result.status, 64, mode)
      XCTAssertTrue(result.errors.contains("--quantum needs --mode direct"), result.errors)
    }
    XCTAssertEqual(try Program.run(["replay", trace, "--mode", "direct", "--quantum", "0"]).status, 64)
  }
}
