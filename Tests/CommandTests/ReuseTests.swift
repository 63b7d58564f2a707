import XCTest

/// `memlab reuse`.
final class ReuseTests: XCTestCase {
  /// Three misses: page 0 (load), page 1 (store), and page 0 again in an array of one entry; the supervisor's last load
  /// comes after a CR3 load that has dropped everything.
  func testTableAndCSV() throws {
    let folder = try TemporaryFolder()
    let trace = smallTrace.replacingOccurrences(of: "w 1010\n", with: "w 1010\nr 20\n")
    let path = try folder.write(trace, to: "small.txt")
    let result = try Program.run(["reuse", path, "--csv", folder.path("reuse.csv")])
    XCTAssertEqual(result.status, 0, result.errors)
    let lines = result.output.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
    XCTAssertEqual(
      lines.dropFirst(),
      [
        "entries misses per 1,000 accesses data 4K faults",
        "1 4 1,000.000 4 0 ████████████████████████████████", "2 3 750.000 3 0 ████████████████████████",
      ])
    XCTAssertEqual(
      try folder.read("reuse.csv"),
      """
      trace,entries,accesses,misses,fetch_4k,fetch_2m,fetch_1g,data_4k,data_2m,data_1g,faults,stale_hits
      small,1,4,4,0,0,0,4,0,0,0,0
      small,2,4,3,0,0,0,3,0,0,0,0

      """)
  }

  func testMachinesThatCannotBeMeasured() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(smallTrace, to: "small.txt")
    let software = try Program.run(["reuse", path, "--machine", "r3000"])
    XCTAssertEqual(software.status, 64)
    XCTAssertTrue(software.errors.contains("filled by software"), software.errors)
    XCTAssertEqual(try Program.run(["reuse", path, "--set", "tlb.spurious=on"]).status, 64)
    XCTAssertEqual(try Program.run(["reuse", "absent.bin"]).status, 66)
  }
}
