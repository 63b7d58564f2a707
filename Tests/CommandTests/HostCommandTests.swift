import Foundation
import XCTest

/// `memlab host`: the hosts in `traces/hosts`, what each shows, and what is said of hosts that are wrong.
final class HostCommandTests: XCTestCase {
  private static let hosts = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("traces/hosts").path

  /// The columns of each machine, by name.
  private func replay(_ name: String, _ options: [String] = []) throws -> [String: [String: Int]] {
    let result = try Program.run(["host", Self.hosts + "/\(name).json", "--csv=-"] + options)
    XCTAssertEqual(result.status, 0, "\(name): \(result.errors)")
    let lines = result.output.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    var machines: [String: [String: Int]] = [:]
    for line in lines.dropFirst() {
      machines[line[0]] = Dictionary(uniqueKeysWithValues: zip(lines[0], line).map { ($0, Int($1) ?? -1) })
    }
    return machines
  }

  private func sum(_ column: String, _ machines: [String: [String: Int]]) -> Int {
    machines.values.reduce(0) { $0 + ($1[column] ?? 0) }
  }

  /// The programs never use again what they used first. The guests choose that, the host cannot.
  func testBalloonChoosesWhatTheGuestCanSpare() throws {
    let (balloon, swapping) = (try replay("balloon", ["--check"]), try replay("swapping", ["--check"]))
    for machines in [balloon, swapping] {
      XCTAssertEqual(Set(machines.keys), ["a", "b"])
      XCTAssertEqual(sum("divergences", machines), 0)
      XCTAssertEqual(sum("true_faults", machines), 1400, "no guest reads a page again that it gave up")
      XCTAssertEqual(sum("guest_swap_ins", machines), 0)
    }
    XCTAssertEqual(sum("host_swap_outs", balloon), 0)
    XCTAssertGreaterThan(sum("host_ballooned", balloon), 1000)
    XCTAssertGreaterThan(sum("host_swap_ins", swapping), 80)
    XCTAssertEqual(sum("host_ballooned", swapping), 0)
    XCTAssertLessThan(2 * sum("cycles_total", balloon), sum("cycles_total", swapping))
  }

  /// Equal shares are equal memory without the tax; with it the busy machine has what the idle one does not use.
  func testIdleMemoryTax() throws {
    let (free, taxed) = (try replay("idle-tax-0"), try replay("idle-tax-75"))
    func mapped(_ name: String, _ machines: [String: [String: Int]]) -> Int { machines[name]?["host_mapped"] ?? 0 }
    XCTAssertLessThan(abs(mapped("idle", free) - mapped("busy", free)), 60)
    XCTAssertGreaterThan(mapped("busy", taxed), 5 * mapped("idle", taxed) / 2)
    let faults = [free, taxed].map { $0["busy"]?["true_faults"] ?? 0 }
    XCTAssertLessThan(faults[1] * 2, faults[0])
    XCTAssertEqual(taxed["idle"]?["true_faults"], 500)
  }

  /// Pages that the guest writes to its swap area lie in the host's; a balloon avoids that.
  func testDoublePaging() throws {
    let (double, single) = (try replay("double-paging"), try replay("double-paging-balloon"))
    XCTAssertGreaterThan(sum("host_double_paged", double), 1500)
    XCTAssertEqual(sum("host_double_paged", single), 0)
    XCTAssertEqual(sum("host_swap_ins", single), 0)
    XCTAssertGreaterThan(sum("guest_swap_ins", single), sum("guest_swap_ins", double))
  }

  /// Ten machines of one image: its file is there once, and so are their pages of zeros.
  func testClonesShareWhatTheyHaveAlike() throws {
    let machines = try replay("clones", ["--check"])
    XCTAssertEqual(machines.count, 10)
    XCTAssertEqual(sum("divergences", machines), 0)
    // 200 pages of a file each; 40 pages that each has stored to are its own.
    XCTAssertGreaterThan(sum("host_shared", machines), 1800)
    XCTAssertLessThan(sum("host_shared", machines), 2300)
    XCTAssertGreaterThan(sum("host_merges", machines), 1500)
    XCTAssertEqual(sum("host_swap_outs", machines), 0)
  }

  /// A domain under direct paging keeps its frames until its balloon gives them; the others are taken from, or give too.
  func testDomainBesideOtherModes() throws {
    let machines = try replay("mixed", ["--check"])
    XCTAssertEqual(sum("divergences", machines), 0)
    XCTAssertEqual(sum("true_faults", machines), 3 * 700)
    let direct = try XCTUnwrap(machines["direct"])
    XCTAssertEqual(direct["host_mapped"], 1024 - (direct["balloon_given"] ?? 0) + (direct["balloon_taken"] ?? 0))
    XCTAssertGreaterThan(direct["balloon_given"] ?? 0, 150)
    XCTAssertEqual((direct["host_swap_outs"] ?? 0) + (direct["hidden_host"] ?? 0), 0)
    XCTAssertEqual(sum("host_swap_ins", machines), 0)
  }

  /// In state low a machine above its target waits, and one that has its share runs.
  func testLowState() throws {
    let machines = try replay("low-state", ["--check"])
    XCTAssertEqual(sum("divergences", machines), 0)
    XCTAssertGreaterThan(machines["greedy"]?["host_waits"] ?? 0, 100)
    XCTAssertEqual(machines["modest"]?["host_waits"], 0)
    XCTAssertEqual(machines["modest"]?["host_swap_outs"], 0)
    XCTAssertGreaterThan(machines["greedy"]?["host_swap_outs"] ?? 0, 500)
  }

  /// A line for each machine after each round, whose levels at the end are those of the counters.
  func testTimeline() throws {
    let folder = try TemporaryFolder()
    let result = try Program.run(["host", Self.hosts + "/clones.json", "--csv=-", "--timeline", folder.path("t.csv")])
    XCTAssertEqual(result.status, 0, result.errors)
    let rows = try folder.read("t.csv").split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    XCTAssertEqual(rows[0].prefix(5), ["round", "machine", "mode", "operations", "mapped"])
    XCTAssertEqual(rows.count % 10, 1)
    XCTAssertEqual(rows[1].prefix(4), ["0", "clone-1", "nested", "100"])
    let (counts, last) = (
      result.output.split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      }, rows.suffix(10)
    )
    for (row, machine) in zip(last, counts.dropFirst()) {
      for (name, column) in [("mapped", "host_mapped"), ("shared", "host_shared"), ("operations", "operations")] {
        let index = try XCTUnwrap(rows[0].firstIndex(of: name))
        XCTAssertEqual(row[index], machine[try XCTUnwrap(counts[0].firstIndex(of: column))], name)
      }
    }
    let frames = try XCTUnwrap(rows[0].firstIndex(of: "shared_frames"))
    let saved = last.reduce(0) { $0 + (Int($1[5]) ?? 0) } - (Int(last[rows.count - 1][frames]) ?? 0)
    XCTAssertGreaterThan(saved, 1600)
  }

  /// A balloon of a scenario that knows the future takes what the trace uses no more.
  func testForesight() throws {
    let folder = try TemporaryFolder()
    var lines = [
      "memlab-trace 1", "guest scenario", "table 10000 4 0=11007", "table 11000 3 0=12007", "table 12000 2 2=13007",
    ]
    lines.append(
      "table 13000 1 " + (0..<400).map { "\($0)=\(String(0x100007 + $0 << 12, radix: 16))" }.joined(separator: " "))
    lines.append("cr3 10000")
    for page in 0..<400 { for _ in 0..<4 { lines.append("w " + String(0x40_0000 + page << 12, radix: 16)) } }
    for _ in 0..<2000 { lines.append("w 400000") }
    _ = try folder.write(lines.joined(separator: "\n") + "\n", to: "t.txt")
    func counts(_ more: String) throws -> [String: Int] {
      let host =
        #"{"memory": "1600K", "quantum": 50, "machines": [{"name": "a", "trace": "t.txt", "mode": "nested"\#(more)}]}"#
      let result = try Program.run(["host", try folder.write(host, to: "h.json"), "--csv=-", "--check"])
      XCTAssertEqual(result.status, 0, result.errors)
      let rows = result.output.split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      }
      return Dictionary(uniqueKeysWithValues: zip(rows[0], rows[1]).map { ($0, Int($1) ?? -1) })
    }
    let (blind, seeing) = (try counts(""), try counts(#", "foresight": true"#))
    XCTAssertGreaterThan(blind["host_swap_outs"] ?? 0, 80)
    XCTAssertEqual(blind["balloon_given"], 0)
    XCTAssertEqual(seeing["host_swap_outs"], 0)
    XCTAssertGreaterThan(seeing["balloon_given"] ?? 0, 80)
    XCTAssertEqual(seeing["host_balloon_pops"], 0)
  }

  func testTableForPeople() throws {
    let result = try Program.run(["host", Self.hosts + "/balloon.json", "--limit", "2000"])
    XCTAssertEqual(result.status, 0, result.errors)
    XCTAssertTrue(result.output.hasPrefix("machine   "), result.output)
    XCTAssertTrue(result.output.contains("host: 1,024 frames, "), result.output)
  }

  /// The short form: any traces, one mode.
  func testReplayOnOneHost() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace, to: "t.txt")
    let result = try Program.run(
      ["replay", trace, trace, "--mode", "nested", "--quantum", "1", "--memory", "4M", "--csv=-", "--check"])
    XCTAssertEqual(result.status, 0, result.errors)
    XCTAssertEqual(result.output.split(separator: "\n").count, 3)
    for words in [["--memory", "4M"], ["--quantum", "1", "--memory", "4M", "--mode", "all"], ["--memory", "x"]] {
      XCTAssertEqual(try Program.run(["replay", trace] + words).status, 64)
    }
  }

  func testWhatIsWrongWithAHost() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write(smallTrace, to: "t.txt")
    func complaint(_ text: String, _ status: Int32 = 65) throws -> String {
      let path = try folder.write(text, to: "h.json")
      let result = try Program.run(["host", path])
      XCTAssertEqual(result.status, status, result.errors)
      XCTAssertEqual(result.output, "")
      return result.errors.replacingOccurrences(of: path, with: "h.json")
    }
    let machine = #"{"name": "a", "trace": "t.txt", "mode": "nested""#
    func host(_ more: String, _ machine: String) -> String {
      #"{"memory": "4M", "machines": [\#(machine)]\#(more)}"#
    }
    XCTAssertTrue(try complaint("{").contains("not valid JSON"))
    XCTAssertEqual(
      try complaint(#"{"memory": "4X", "machines": []}"#),
      "memlab: h.json: memory is 4X, expected bytes up to 1024G, as 67108864 or \"64M\"\n")
    XCTAssertTrue(try complaint(#"{"memory": 4096, "machines": []}"#).contains("machines is empty"))
    XCTAssertTrue(
      try complaint(host("", machine + #", "sise": 1}"#)).contains("machines.a.sise: no such key; expected "))
    XCTAssertTrue(try complaint(host(#", "idleTax": 1"#, machine + "}")).contains("idleTax is 1, expected a number"))
    XCTAssertTrue(
      try complaint(host("", machine + "}," + machine + "}")).contains("machines.a: two machines of that name"))
    XCTAssertTrue(
      try complaint(host("", #"{"name": "a", "trace": "t.txt", "mode": "nestet"}"#)).contains(
        "machines.a.mode: no mode 'nestet'"))
    XCTAssertTrue(
      try complaint(host("", machine + #", "keys": {"nested.format": "x"}}"#), 64).contains(
        "h.json: machines.a: --set nested.format=x: expected ept or npt"))
    XCTAssertTrue(
      try complaint(host("", #"{"name": "a", "trace": "none.bin", "mode": "nested"}"#), 66).contains("machines.a: "))
    XCTAssertTrue(
      try complaint(host("", machine + #", "minimum": "8M"}"#)).contains(
        "machine a needs 8192 KiB at least and 256 KiB of overhead"))
    XCTAssertTrue(
      try complaint(host("", #"{"name": "a", "trace": "t.txt", "mode": "native"}"#)).contains(
        "machine a has no hypervisor"))
  }
}
