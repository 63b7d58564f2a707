import Foundation
import XCTest

/// `memlab sweep` and `memlab merge`, as somebody uses them.
final class SweepTests: XCTestCase {
  /// Small enough that a sweep takes no time, large enough that it can be caught in the middle.
  private func folder(points: Int = 24) throws -> (folder: TemporaryFolder, plan: String) {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace + String(repeating: "r 10\nw 1010\n", count: 20_000), to: "t.txt")
    let plan = """
      {"traces": ["\(trace)"], "modes": ["native", "shadow", "nested"], "keys": {
       "tlb.l1d.4K.ways": [4, 5], "costs.exit": [\((0..<points / 6).map(String.init).joined(separator: ", "))]}}
      """
    return (folder, try folder.write(plan, to: "plan.json"))
  }

  /// The rows without what is a matter of time.
  private func timeless(_ csv: String) -> [[String]] {
    let rows = csv.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    let kept = rows[0].indices.filter { !["seconds", "operations_per_second"].contains(rows[0][$0]) }
    return rows.map { row in kept.map { String(row[$0]) } }
  }

  private func column(_ name: String, _ csv: String) -> [String] {
    let rows = csv.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    guard let index = rows[0].firstIndex(of: Substring(name)) else { return [] }
    return rows.dropFirst().map { String($0[index]) }
  }

  func testEveryPointOnceInOrderAndTheRefusedOnesWithTheirReason() throws {
    let (folder, plan) = try folder()
    let result = try Program.run(["sweep", plan, "-o", folder.path("a.csv")])
    XCTAssertEqual(result.status, 0, result.errors)
    XCTAssertEqual(result.output, "\(folder.path("a.csv")): 24 points: 12 ok, 12 skipped\n")
    let csv = try folder.read("a.csv")
    XCTAssertEqual(column("point", csv), (0..<24).map(String.init))
    // Four entries a set divide the 64 entries of the TLB, five do not.
    for (settings, status) in zip(column("settings", csv), column("status", csv)) {
      XCTAssertEqual(status, settings.hasSuffix("ways=4") ? "ok" : "skipped", settings)
    }
    XCTAssertTrue(csv.contains("expected a divisor of the 64 entries"), csv)
    // What comes out is what a replay counts.
    let replay = try Program.run(
      ["replay", folder.path("t.txt"), "--mode", "shadow", "--set", "costs.exit=3", "--csv", "-"])
    let row = try XCTUnwrap(
      zip(column("settings", csv), column("mode", csv)).enumerated().first {
        $0.element == ("costs.exit=3 tlb.l1d.4K.ways=4", "shadow")
      })
    for name in ["cycles_total", "hidden_faults", "operations"] {
      XCTAssertEqual(column(name, csv)[row.offset], column(name, replay.output)[0], name)
    }
  }

  func testKilledAtAnyMomentItGoesOn() throws {
    let (folder, plan) = try folder()
    XCTAssertEqual(try Program.run(["sweep", plan, "-o", folder.path("whole.csv"), "--quiet"]).status, 0)
    let seed = ProcessInfo.processInfo.environment["MEMLAB_SEED"].flatMap(UInt64.init) ?? .random(in: 0..<1 << 32)
    var random = SplitMix(state: seed)
    for _ in 0..<6 {
      let process = Process()
      process.executableURL = Program.url
      process.arguments = ["sweep", plan, "-o", folder.path("killed.csv"), "--jobs", "2"]
      (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
      try process.run()
      usleep(UInt32(random.next() % 60_000))
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    let rest = try Program.run(["sweep", plan, "-o", folder.path("killed.csv"), "--quiet"])
    XCTAssertEqual(rest.status, 0, rest.errors)
    let (killed, whole) = (try folder.read("killed.csv"), try folder.read("whole.csv"))
    XCTAssertEqual(timeless(killed), timeless(whole), "seed \(seed)")
  }

  func testATornLastLineIsRepaired() throws {
    let (folder, plan) = try folder(points: 6)
    XCTAssertEqual(try Program.run(["sweep", plan, "-o", folder.path("a.csv"), "--quiet"]).status, 0)
    let whole = try folder.read("a.csv")
    let lines = whole.split(separator: "\n", omittingEmptySubsequences: false).map { $0 + "\n" }
    for text in [lines[0].dropLast(20), lines[0] + lines[3] + lines[1].dropLast(30), lines[0] + lines[1].dropLast()] {
      _ = try folder.write(String(text), to: "b.csv")
      let result = try Program.run(["sweep", plan, "-o", folder.path("b.csv"), "--quiet"])
      XCTAssertEqual(result.status, 0, result.errors)
      XCTAssertEqual(timeless(try folder.read("b.csv")), timeless(whole))
    }
    XCTAssertEqual(folder.files, ["a.csv", "b.csv", "plan.json", "t.txt"])
  }

  func testAnotherPlanTraceOrFileGetsOneLine() throws {
    let (folder, plan) = try folder(points: 6)
    let csv = folder.path("a.csv")
    XCTAssertEqual(try Program.run(["sweep", plan, "-o", csv, "--quiet"]).status, 0)
    let before = try folder.read("a.csv")
    func complaint(_ plan: String) throws -> String {
      let result = try Program.run(["sweep", plan, "-o", csv, "--quiet"])
      XCTAssertEqual(result.status, 65)
      XCTAssertEqual(result.errors.split(separator: "\n").count, 1, result.errors)
      XCTAssertEqual(try folder.read("a.csv"), before)
      return result.errors
    }
    let other = try folder.write(
      try folder.read("plan.json").replacingOccurrences(of: "nested", with: "direct"), to: "other.json")
    XCTAssertTrue(try complaint(other).contains("a.csv: made by another plan ("))
    _ = try folder.write(smallTrace, to: "t.txt")
    XCTAssertTrue(try complaint(plan).contains("t.txt when its checksum was "))
    let result = try Program.run(["sweep", plan, "-o", folder.path("t.txt"), "--quiet"])
    XCTAssertEqual(result.status, 65)
    XCTAssertEqual(try folder.read("t.txt"), smallTrace)
  }

  func testOneSweepAtATimeHasTheFile() throws {
    let (folder, plan) = try folder(points: 6)
    let descriptor = open(folder.path("a.csv"), O_RDWR | O_CREAT, 0o666)
    defer { close(descriptor) }
    XCTAssertEqual(flock(descriptor, LOCK_EX | LOCK_NB), 0)
    let result = try Program.run(["sweep", plan, "-o", folder.path("a.csv")])
    XCTAssertEqual(result.status, 73)
    XCTAssertTrue(result.errors.hasSuffix("a.csv: another sweep is writing to it\n"), result.errors)
    XCTAssertEqual(try folder.read("a.csv"), "")
  }

  func testATraceThatCannotBeReadAgainIsRefused() throws {
    let folder = try TemporaryFolder()
    let plan = try folder.write(#"{"traces": "-"}"#, to: "plan.json")
    XCTAssertEqual(try Program.run(["sweep", plan, "-o", folder.path("a.csv")], input: smallTrace).status, 66)
    XCTAssertEqual(folder.files, ["plan.json"])
  }

  func testADamagedTraceAndADivergenceAreRowsAndDecideTheStatus() throws {
    let folder = try TemporaryFolder()
    let bad = try folder.write(smallTrace + "nonsense\n", to: "bad.txt")
    let diverges = try folder.write(
      smallTrace.replacingOccurrences(of: "guest scenario", with: "guest recorded") + "r 500000\n", to: "diverges.txt")
    for (traces, statuses, status) in [([bad, diverges], ["failed", "diverged"], 65), ([diverges], ["diverged"], 70)] {
      let plan = try folder.write(
        "{\"traces\": [\"\(traces.joined(separator: "\", \""))\"], \"modes\": \"native\"}", to: "plan.json")
      let csv = folder.path("\(status).csv")
      XCTAssertEqual(try Program.run(["sweep", plan, "-o", csv, "--quiet"]).status, Int32(status))
      XCTAssertEqual(column("status", try folder.read("\(status).csv")), statuses)
    }
  }

  func testShardsMergeToTheWhole() throws {
    let (folder, plan) = try folder()
    XCTAssertEqual(try Program.run(["sweep", plan, "-o", folder.path("whole.csv"), "--quiet"]).status, 0)
    for shard in 1...3 {
      let words = ["sweep", plan, "-o", folder.path("\(shard).csv"), "--shard", "\(shard)/3"]
      XCTAssertEqual(try Program.run(words).output, "\(words[3]): 8 points: 4 ok, 4 skipped\n")
    }
    let parts = (1...3).map { folder.path("\($0).csv") }
    let merged = try Program.run(["merge"] + parts + ["-o", folder.path("all.csv")])
    XCTAssertEqual(merged.status, 0, merged.errors)
    XCTAssertEqual(timeless(try folder.read("all.csv")), timeless(try folder.read("whole.csv")))
    let partial = try Program.run(["merge", parts[0], parts[2], "-o", "-"])
    XCTAssertEqual(partial.status, 65)
    XCTAssertTrue(partial.errors.contains("no row of 8 points: 1, 4, 7, 10, 13, …"), partial.errors)
    XCTAssertEqual(partial.output, "")
    XCTAssertEqual(try Program.run(["merge", parts[0], "-o", "-", "--partial"]).status, 0)
    XCTAssertTrue(try Program.run(["merge", parts[0], parts[0], "-o", "-"]).errors.contains("point 0 is in "))
  }

  func testWorkloadsAreMadeAnewForEachPoint() throws {
    let folder = try TemporaryFolder()
    let plan = try folder.write(
      #"{"traces": [{"workload": "uniform-random", "keys": {"accesses": 2000, "footprint": 64}, "seeds": [3, 4]}], "modes": ["native", "shadow"]}"#,
      to: "plan.json")
    XCTAssertEqual(try Program.run(["sweep", plan, "-o", folder.path("a.csv")]).status, 0)
    let csv = try folder.read("a.csv")
    XCTAssertEqual(column("seed", csv), ["3", "3", "4", "4"])
    XCTAssertEqual(column("status", csv), ["ok", "ok", "ok", "ok"])
    let words = try XCTUnwrap(column("trace_path", csv).last).split(separator: " ").map(String.init)
    XCTAssertEqual(try Program.run(words + ["-o", folder.path("t.bin")]).status, 0)
    let replay = try Program.run(["replay", folder.path("t.bin"), "--mode", "shadow", "--csv", "-"])
    XCTAssertEqual(column("tlb_misses", csv)[3], column("tlb_misses", replay.output)[0])
    XCTAssertNotEqual(column("tlb_misses", csv)[3], column("tlb_misses", csv)[1])
  }

  func testTheSlurmJobReplaysEveryShard() throws {
    let (folder, plan) = try folder(points: 6)
    let job = folder.path("a job")
    XCTAssertEqual(try Program.run(["sweep", plan, "--slurm", job, "--shards", "2"]).status, 0)
    let script = try folder.read("a job/sweep.sbatch")
    XCTAssertTrue(script.contains("#SBATCH --array=1-2\n"), script)
    // What Slurm would do, a task after the other.
    for task in 1...2 {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/bin/bash")
      process.arguments = [job + "/sweep.sbatch"]
      process.environment = ["SLURM_ARRAY_TASK_ID": String(task), "SLURM_CPUS_PER_TASK": "1"]
      (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
      try process.run()
      process.waitUntilExit()
      XCTAssertEqual(process.terminationStatus, 0)
    }
    let merged = try Program.run(["merge", job + "/shard-1.csv", job + "/shard-2.csv", "-o", "-"])
    XCTAssertEqual(column("point", merged.output), (0..<6).map(String.init))
  }
}

/// Random numbers that a seed repeats (Steele, Lea and Flood, OOPSLA 2014).
private struct SplitMix {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
