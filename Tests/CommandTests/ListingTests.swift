import XCTest

/// The commands that tell what there is, and those that turn a trace into something else.
final class ListingTests: XCTestCase {
  private func output(_ words: [String]) throws -> String {
    let result = try Program.run(words)
    XCTAssertEqual(result.status, 0, "\(words): \(result.errors)")
    XCTAssertEqual(result.errors, "")
    return result.output
  }

  func testHelp() throws {
    let overview = try output(["help"])
    XCTAssertEqual(try output(["--help"]), overview)
    for command in [
      "replay", "walk", "inspect", "convert", "record", "generate", "modes", "machines", "workloads", "help",
    ] {
      XCTAssertTrue(overview.contains("memlab \(command)"), command)
      XCTAssertTrue(try output(["help", command]).hasPrefix("memlab"), command)
      XCTAssertEqual(try output([command, "--help"]), try output(["help", command]))
    }
    let replay = try output(["replay", "-h"])
    for option in [
      "--mode", "--machine", "--set", "--csv", "--events", "--series", "--interval", "--dirty-log", "--check",
      "--limit", "--jobs",
      "--format", "--quiet",
    ] { XCTAssertTrue(replay.contains(option), option) }
    for line in (overview + replay).split(separator: "\n") { XCTAssertLessThanOrEqual(line.count, 120, String(line)) }
  }

  func testVersion() throws {
    XCTAssertNotNil(try output(["--version"]).wholeMatch(of: /memlab \d+\.\d+\.\d+\n/))
  }

  func testModes() throws {
    let text = try output(["modes"])
    for mode in ["native", "emulated-tlb", "shadow", "nested", "direct"] { XCTAssertTrue(text.contains("  \(mode)  ")) }
    XCTAssertTrue(text.contains("nested.fill=lazy|eager"))
  }

  func testMachines() throws {
    let text = try output(["machines"])
    for machine in ["skylake", "icelake", "textbook"] { XCTAssertTrue(text.contains("  \(machine) "), machine) }
    XCTAssertTrue(try output(["machines", "textbook", "--json"]).hasPrefix("{\n  \"name\": \"textbook\","))
    let figures = try output(["machines", "skylake"])
    XCTAssertTrue(figures.contains("\n  maxphyaddr=46\n"))
    XCTAssertTrue(figures.contains("\n  tlb.l2.4K+2M.entries=1536\n"))
    XCTAssertTrue(figures.contains("\n  # "), "sources are shown")
  }

  /// A synthetic trace is the same each time, and can be replayed.
  func testGenerate() throws {
    XCTAssertTrue(try output(["workloads"]).contains("\n  uniform-random\n"))
    let folder = try TemporaryFolder()
    let words = ["generate", "uniform-random", "--set", "footprint=2", "--set", "accesses=3"]
    let text = try output(words + ["-o", "-", "--to", "text"])
    XCTAssertTrue(text.contains("\nram "), text)
    XCTAssertEqual(text.split(separator: "\n").filter { $0.hasPrefix("r ") }.count, 3)
    XCTAssertEqual(try output(words + ["-o", folder.path("a.bin")]), "")
    XCTAssertEqual(try output(["convert", folder.path("a.bin"), "-", "--to", "text"]), text)
    XCTAssertNotEqual(try output(words + ["--seed", "2", "-o", "-", "--to", "text"]), text)
    XCTAssertTrue(try output(["replay", folder.path("a.bin"), "--mode", "native"]).contains("native"))
  }

  func testConvertThereAndBack() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace, to: "small.txt")
    let text = try output(["convert", trace, "-", "--to", "text"])
    XCTAssertTrue(text.hasPrefix("memlab-trace 1\n"), text)
    XCTAssertEqual(try output(["convert", trace, folder.path("b.bin")]), "")
    XCTAssertEqual(try output(["convert", folder.path("b.bin"), folder.path("again.txt")]), "")
    XCTAssertEqual(try folder.read("again.txt"), text)
    let (of, from) = (try output(["inspect", folder.path("b.bin")]), try output(["inspect", trace]))
    XCTAssertEqual(of.dropFirst("b".count), from.dropFirst("small".count))
  }

  func testInspect() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace, to: "small.txt")
    let text = try output(["inspect", trace])
    XCTAssertTrue(text.hasPrefix("small: a scenario trace\n"), text)
    for line in ["accesses 3", "to 4K pages 3 100.00 %", "CR3 loads 1", "of the same root 1", "in the snapshot 4"] {
      let isThere = text.split(separator: "\n").contains { $0.split(separator: " ").joined(separator: " ") == line }
      XCTAssertTrue(isThere, "\(line) is not in\n\(text)")
    }
    XCTAssertTrue(try output(["inspect", trace, "--limit", "7"]).contains("accesses"))
  }

  func testAReaderThatGoesAwayIsNoFailure() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    let command = "'\(Program.url.path)' machines skylake; echo \"status $?\" >&2"
    process.arguments = ["-c", "for i in 1 2 3 4 5; do \(command); done | true"]
    let errors = Pipe()
    process.standardError = errors
    try process.run()
    process.waitUntilExit()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    XCTAssertEqual(Set(text.split(separator: "\n")), ["status 0"], text)
  }
}
