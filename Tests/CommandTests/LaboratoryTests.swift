import XCTest

/// `memlab compare`, `explain` and `reproduce`, as a user meets them.
final class LaboratoryTests: XCTestCase {
  func testCompareAlwaysHasNative() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace, to: "small.txt")
    let result = try Program.run(["compare", trace, "--mode", "nested", "--csv", "-"])
    XCTAssertEqual(result.status, 0, result.errors)
    let rows = result.output.split(separator: "\n").map { $0.split(separator: ",") }
    XCTAssertEqual(rows.dropFirst().map { $0[2] }, ["native", "nested"])
    let text = try Program.run(["compare", trace, "--machine", "skylake", "--machine=textbook"]).output
    XCTAssertTrue(text.contains("small on skylake") && text.contains("small on textbook"), text)
    XCTAssertTrue(text.contains("by machine"), text)
  }

  func testCompareReadsAPipeForOneMachineOnly() throws {
    XCTAssertEqual(try Program.run(["compare", "-"], input: smallTrace).status, 0)
    let result = try Program.run(["compare", "-", "--machine", "skylake", "--machine", "zen2"], input: smallTrace)
    XCTAssertEqual(result.status, 64)
    XCTAssertTrue(result.errors.contains("only once"), result.errors)
  }

  func testExplainKnowsColumnsCausesKeysModesAndFigures() throws {
    let expected = [
      "hidden_trace": "faults", "fill": "hidden_fill", "shadow.store": "invalidate", "direct": "Backends/Direct",
      "costs.exit": "source:", "balloon": "",
    ]
    for (name, part) in expected where !part.isEmpty {
      let result = try Program.run(["explain", name])
      XCTAssertEqual(result.status, 0, result.errors)
      XCTAssertTrue(result.output.contains(part), "\(name): \(result.output)")
    }
    let words = try Program.run(["explain", "true page fault"])
    XCTAssertTrue(words.output.hasPrefix("true_faults"), words.output)
    let wrong = try Program.run(["explain", "hiden_trace"])
    XCTAssertEqual(wrong.status, 64)
    XCTAssertTrue(wrong.errors.contains("'hidden_trace'"), wrong.errors)
  }

  func testReproduce() throws {
    let list = try Program.run(["reproduce", "list"])
    XCTAssertTrue(list.output.contains("walk-arithmetic"), list.output)
    let one = try Program.run(["reproduce", "nanobenchmarks"])
    XCTAssertEqual(one.status, 0, one.errors)
    XCTAssertTrue(one.output.contains("4 of 4 figures as expected"), one.output)
    XCTAssertEqual(try Program.run(["reproduce", "nanobenchmark"]).status, 64)
  }
}
