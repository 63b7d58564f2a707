import Foundation
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

/// What shells and man take from `memlab help`.
final class ShellTests: XCTestCase {
  func testCompletionsAreScriptsThatTheShellTakes() throws {
    let folder = try TemporaryFolder()
    let script = try Program.run(["help", "--completions", "bash"])
    XCTAssertEqual(script.status, 0, script.errors)
    let path = try folder.write(
      script.output + """
        check() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _memlab; echo "${COMPREPLY[@]}"; }
        check memlab rep
        check memlab replay --mode sha
        check memlab replay --ev
        check memlab generate gu

        """, to: "complete.bash")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = [path]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    XCTAssertEqual(process.terminationStatus, 0)
    let lines = output.split(separator: "\n").map(String.init)
    XCTAssertTrue(lines[0].hasPrefix("replay"), output)
    XCTAssertEqual(Array(lines.dropFirst()), ["shadow", "--events", "gups"])
    XCTAssertEqual(try Program.run(["help", "--completions", "tcsh"]).status, 64)
  }

  func testEveryOptionOfReplayIsKnown() throws {
    let script = try Program.run(["help", "--completions", "fish"]).output
    for option in ["mode", "machine", "set", "csv", "events", "series", "interval", "check", "limit", "jobs", "quiet"] {
      XCTAssertTrue(script.contains("__fish_seen_subcommand_from replay' -l \(option)"), option)
    }
  }

  func testTheManPage() throws {
    let page = try Program.run(["help", "--man"]).output
    XCTAssertTrue(page.hasPrefix(".TH MEMLAB 1"), page)
    for command in ["replay", "compare", "reproduce"] { XCTAssertTrue(page.contains(".SS memlab \(command)\n")) }
  }
}
