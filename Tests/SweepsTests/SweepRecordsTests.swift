import Machine
import Reporting
import Sweeps
import XCTest

/// The rows of sweeps: written, read again, held against the plan, merged.
final class SweepRecordsTests: XCTestCase {
  private func sweep(checksum: String = "p", trace: String = "t") throws -> Sweep {
    let plan = try SweepPlan(text: Array(#"{"traces": "x, y.bin", "modes": ["native", "shadow", "nested"]}"#.utf8))
    return Sweep(
      plan, checksum: checksum, files: ["x, y.bin": Sweep.TraceFile(checksum: trace, seed: "9")],
      origin: SweepOrigin(version: "1", revision: "r", build: "b"))
  }

  private func lines(_ sweep: Sweep) -> [String] {
    sweep.points.map { point in
      if point.number == 1 {
        return SweepTable.line(SweepRow(point, .skipped, reason: "no,\r\n\"way\""), of: sweep)
      }
      var counters = Counters()
      counters.operations = UInt64(100 + point.number)
      counters.divergences = point.number == 2 ? 1 : 0
      let run = Run(trace: point.trace.name, mode: point.mode, machine: "skylake", counters: counters, seconds: 1)
      return SweepTable.line(SweepRow(point, run: run), of: sweep)
    }
  }

  private func message(_ body: () throws -> Void) -> String {
    do { try body() } catch { return (error as? SweepRecords.Problem)?.message ?? "\(error)" }
    return ""
  }

  func testARowIsOneLineWithAFieldForEachColumn() throws {
    let sweep = try sweep()
    let rows = try CSV.records(SweepTable.header + lines(sweep).joined())
    XCTAssertEqual(rows[0], SweepTable.columns)
    func field(_ row: Int, _ name: String) throws -> String {
      rows[row + 1][try XCTUnwrap(SweepTable.columns.firstIndex(of: name))]
    }
    XCTAssertEqual(rows.count, 4)
    XCTAssertEqual(try (0..<3).map { try field($0, "status") }, ["ok", "skipped", "diverged"])
    XCTAssertEqual(try (0..<3).map { try field($0, "operations") }, ["100", "", "102"])
    XCTAssertEqual(try (0..<3).map { try field($0, "mode") }, ["native", "shadow", "nested"])
    XCTAssertEqual(try field(1, "reason"), "no, \"way\"")
    XCTAssertEqual(try field(1, "trace"), "x, y")
    XCTAssertEqual(try field(1, "trace_path"), "x, y.bin")
    XCTAssertEqual(try field(1, "seed"), "9")
    for line in lines(sweep) { XCTAssertEqual(line.utf8.count { $0 == 10 }, 1) }
  }

  func testWhatWasWrittenIsReadAgain() throws {
    let sweep = try sweep()
    let lines = lines(sweep)
    let records = try SweepRecords(text: SweepTable.header + lines[2] + lines[0])
    XCTAssertEqual(records.records.map(\.point), [2, 0])
    XCTAssertEqual(records.records.map(\.line), [lines[2], lines[0]])
    XCTAssertNoThrow(try records.check(against: sweep))
    XCTAssertEqual(try SweepRecords(text: "").records.count, 0)
    XCTAssertEqual(try SweepRecords(text: SweepTable.header).records.count, 0)
  }

  func testAnotherPlanOrTraceIsToldInOneLine() throws {
    let records = try SweepRecords(text: SweepTable.header + lines(try sweep()).joined())
    let plan = try sweep(checksum: "q")
    XCTAssertEqual(
      message { try records.check(against: plan) }, "made by another plan (p, this one is q); give a new file")
    let trace = try sweep(trace: "u")
    XCTAssertEqual(
      message { try records.check(against: trace) },
      "point 0 replayed x, y.bin when its checksum was t, now it is u; give a new file")
  }

  func testDamagedRowsAreRefused() throws {
    let lines = lines(try sweep())
    XCTAssertEqual(
      message { _ = try SweepRecords(text: SweepTable.header + lines[0] + lines[0]) }, "point 0 has two rows")
    XCTAssertEqual(
      message { _ = try SweepRecords(text: SweepTable.header + "1,2\n") },
      "line 2: 2 fields, expected \(SweepTable.columns.count)")
    XCTAssertEqual(
      message { _ = try SweepRecords(text: "trace,mode\n") },
      "line 1: the columns are not those of this memlab's sweeps")
    let wrong = SweepTable.header + "3" + lines[0].dropFirst()
    XCTAssertEqual(message { _ = try SweepRecords(text: wrong) }, "line 2: point 3 of 3, expected one of them")
  }

  func testShardsMergeInTheOrderOfThePlan() throws {
    let lines = lines(try sweep())
    let first = (name: "a", records: try SweepRecords(text: SweepTable.header + lines[2] + lines[0]))
    let second = (name: "b", records: try SweepRecords(text: SweepTable.header + lines[1]))
    let merged = try SweepMerge.merge([first, second])
    XCTAssertEqual(merged.text, SweepTable.header + lines.joined())
    XCTAssertEqual(merged.missing, [])
    XCTAssertEqual(try SweepMerge.merge([first]).missing, [1])
  }

  func testFilesThatDoNotBelongTogetherAreNotMerged() throws {
    func file(_ name: String, _ lines: [String]) throws -> (name: String, records: SweepRecords) {
      (name, try SweepRecords(text: SweepTable.header + lines.joined()))
    }
    let mine = lines(try sweep())
    let first = try file("a", [mine[0]])
    XCTAssertEqual(
      message { _ = try SweepMerge.merge([first, try file("b", [mine[1], mine[0]])]) }, "point 0 is in a and in b")
    XCTAssertEqual(
      message { _ = try SweepMerge.merge([first, try file("b", [lines(try sweep(checksum: "q"))[1]])]) },
      "b: its plan is q, that of a p")
    XCTAssertEqual(
      message { _ = try SweepMerge.merge([first, try file("b", [lines(try sweep(trace: "u"))[1]])]) },
      "b: x, y.bin has checksum u, another row has t")
    XCTAssertEqual(message { _ = try SweepMerge.merge([try file("a", [])]) }, "no rows in a")
  }
}
