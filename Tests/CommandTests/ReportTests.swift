import Foundation
import XCTest

/// `memlab report`, as somebody uses it.
final class ReportTests: XCTestCase {
  func testAPageOfRunsAndSeries() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace, to: "small.txt")
    let words = ["replay", trace, "--mode", "native,shadow", "--csv", folder.path("runs.csv"), "--series"]
    XCTAssertEqual(try Program.run(words + [folder.path("s.csv"), "--interval", "2", "--quiet"]).status, 0)
    let inputs = ["runs.csv", "s-native.csv", "s-shadow.csv"].map(folder.path)
    let result = try Program.run(["report"] + inputs + ["-o", folder.path("r.html")])
    XCTAssertEqual(result.status, 0, result.errors)
    XCTAssertEqual(result.output + result.errors, "")
    let html = try folder.read("r.html")
    XCTAssertTrue(html.hasPrefix("<!DOCTYPE html>"))
    XCTAssertTrue(html.contains("<title>memlab: small</title>"))
    XCTAssertTrue(html.contains("data-name=\"s-shadow.csv\""))
    XCTAssertEqual(try Program.run(["report"] + inputs + ["-o", "-"]).output, html)
  }

  func testWhatIsNoCSVGetsOneLine() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace, to: "small.txt")
    let result = try Program.run(["report", trace, "-o", folder.path("r.html")])
    XCTAssertEqual(result.status, 65)
    XCTAssertTrue(result.errors.hasPrefix("memlab: \(trace): line 1: neither rows of runs"), result.errors)
    XCTAssertEqual(try Program.run(["report", folder.path("no.csv"), "-o", "-"]).status, 66)
    XCTAssertEqual(try Program.run(["report", trace]).status, 64)
    XCTAssertEqual(folder.files, ["small.txt"])
  }
}
