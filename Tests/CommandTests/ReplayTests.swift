import XCTest

/// `memlab replay`, on a small trace.
final class ReplayTests: XCTestCase {
  private func rows(_ csv: String) -> [[String: String]] {
    let lines = csv.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    return lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(lines[0], $0)) }
  }

  func testCSVOnStandardOutputAndNothingElse() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace, to: "small.txt")
    let result = try Program.run(["replay", trace, "--mode", "native,shadow", "--csv", "-"])
    XCTAssertEqual(result.status, 0, result.errors)
    XCTAssertEqual(result.errors, "")
    XCTAssertTrue(result.output.hasPrefix("trace,mode,machine,operations,accesses,"), result.output)
    let rows = rows(result.output)
    XCTAssertEqual(rows.map { $0["trace"] }, ["small", "small"])
    XCTAssertEqual(rows.map { $0["mode"] }, ["native", "shadow"])
    XCTAssertEqual(rows.map { $0["machine"] }, ["skylake", "skylake"])
    XCTAssertEqual(rows.map { $0["operations"] }, Array(repeating: String(smallTraceOperations), count: 2))
  }

  func testATableForPeopleUnderShadowByDefault() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace, to: "small.txt")
    let result = try Program.run(["replay", trace])
    XCTAssertEqual(result.status, 0, result.errors)
    XCTAssertTrue(result.output.hasPrefix("small on skylake\n"), result.output)
    XCTAssertTrue(result.output.contains("shadow"))
    XCTAssertFalse(result.output.contains("native"))
    XCTAssertEqual(try Program.run(["replay", trace, "--quiet"]).output, "")
  }

  func testRowsComeInTheOrderOfTracesAndModes() throws {
    let folder = try TemporaryFolder()
    let long = smallTrace + String(repeating: "r 10\n", count: 50_000)
    let paths = [try folder.write(long, to: "long.txt"), try folder.write(smallTrace, to: "short.txt")]
    for jobs in ["1", "7"] {
      let result = try Program.run(
        ["replay", "--mode", "shadow,native", "--jobs", jobs, "--csv=-", "--"] + paths)
      XCTAssertEqual(result.status, 0, result.errors)
      XCTAssertEqual(
        rows(result.output).map { "\($0["trace"] ?? "") \($0["mode"] ?? "")" },
        ["long shadow", "long native", "short shadow", "short native"])
    }
  }

  func testStandardInputIsReadOnceForAllModes() throws {
    let result = try Program.run(["replay", "-", "--mode", "native,nested", "--csv", "-"], input: smallTrace)
    XCTAssertEqual(result.status, 0, result.errors)
    XCTAssertEqual(rows(result.output).map { $0["mode"] }, ["native", "nested"])
    XCTAssertEqual(rows(result.output).map { $0["operations"] }, ["10", "10"])
  }

  func testLimit() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace + String(repeating: "r 10\n", count: 10_000), to: "t.txt")
    for limit in ["7", "4096", "4097", "9999"] {
      let result = try Program.run(["replay", trace, "--limit", limit, "--csv", "-"])
      XCTAssertEqual(rows(result.output).first?["operations"], limit, result.errors)
    }
    let beyond = try Program.run(["replay", trace, "--limit", "1000000", "--csv", "-"])
    XCTAssertEqual(rows(beyond.output).first?["operations"], String(smallTraceOperations + 10_000))
  }

  func testADivergenceIsToldAndTheReportIsStillWritten() throws {
    let folder = try TemporaryFolder()
    // A recorded guest reads a page that its tables do not map, and the recording has no fault there.
    let text = smallTrace.replacingOccurrences(of: "guest scenario", with: "guest recorded") + "r 500000\n"
    let trace = try folder.write(text, to: "bad.txt")
    let result = try Program.run(["replay", trace, "--mode", "native", "--csv", folder.path("c.csv"), "--quiet"])
    XCTAssertEqual(result.status, 70, result.errors)
    let beginning = "memlab: bad, native: 1 divergence\n  operation 10: expected "
    XCTAssertTrue(result.errors.hasPrefix(beginning), result.errors)
    XCTAssertEqual(rows(try folder.read("c.csv")).first?["divergences"], "1")
  }

  func testFinalTablesAreComparedWithNatives() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace, to: "small.txt")
    let result = try Program.run(["replay", trace, "--mode", "all", "--check", "--csv", "-"])
    XCTAssertEqual(result.status, 0, result.errors)
    XCTAssertEqual(rows(result.output).map { $0["divergences"] }, Array(repeating: "0", count: 5))
  }

  func testReportsOfOneRun() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace, to: "small.txt")
    let result = try Program.run([
      "replay", trace, "--csv", folder.path("c.csv"), "--events", folder.path("e.csv"), "--series",
      folder.path("s.csv"), "--interval", "4",
    ])
    XCTAssertEqual(result.status, 0, result.errors)
    XCTAssertFalse(result.output.isEmpty, "the table still goes to standard output")
    XCTAssertEqual(folder.files, ["c.csv", "e.csv", "s.csv", "small.txt"])
    XCTAssertEqual(rows(try folder.read("c.csv")).count, 1)
    XCTAssertTrue(try folder.read("e.csv").hasPrefix("operation,cpu,vm,kind,cause,va,pa,error_code,value,result\n"))
    let series = rows(try folder.read("s.csv"))
    XCTAssertEqual(series.map { $0["first_operation"] }, ["0", "4", "8"])
    XCTAssertEqual(series.map { $0["operations"] }, ["4", "4", "2"])
  }

  func testSeveralRunsWriteAFileEach() throws {
    let folder = try TemporaryFolder()
    let one = try folder.write(smallTrace, to: "one.txt")
    let two = try folder.write(smallTrace, to: "two.txt")
    let events = folder.path("e.csv")
    XCTAssertEqual(try Program.run(["replay", one, "--mode", "native,direct", "--events", events]).status, 0)
    XCTAssertEqual(folder.files, ["e-direct.csv", "e-native.csv", "one.txt", "two.txt"])
    XCTAssertEqual(try Program.run(["replay", one, two, "--events", folder.path("f")]).status, 0)
    XCTAssertEqual(folder.files.filter { $0.hasPrefix("f") }, ["f-one", "f-two"])
    XCTAssertEqual(try Program.run(["replay", one, one, "--mode", "native", "--events", folder.path("g")]).status, 0)
    XCTAssertEqual(folder.files.filter { $0.hasPrefix("g") }, ["g-one", "g-one-2"])
  }

  func testSettingsAndMachinesAreTaken() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace, to: "small.txt")
    let result = try Program.run([
      "replay", trace, "--machine", "textbook", "--set", "tlb.l1d.4K.entries=4", "--set", "nested.fill=eager",
      "--csv", "-",
    ])
    XCTAssertEqual(result.status, 0, result.errors)
    XCTAssertEqual(rows(result.output).first?["machine"], "textbook")
    XCTAssertEqual(rows(result.output).first?["settings"], "tlb.l1d.4K.entries=4 nested.fill=eager")
  }

  func testAnOldReportIsReplacedAndALinkStaysOne() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace, to: "small.txt")
    _ = try folder.write("old", to: "report.csv")
    try FileManager.default.createSymbolicLink(atPath: folder.path("link.csv"), withDestinationPath: "report.csv")
    XCTAssertEqual(try Program.run(["replay", trace, "--csv", folder.path("link.csv")]).status, 0)
    XCTAssertEqual(try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("link.csv")), "report.csv")
    XCTAssertTrue(try folder.read("report.csv").hasPrefix("trace,mode,"))
  }
}
