import Machine
import Sweeps
import XCTest

/// Plans of sweeps: what they cover, and what is said of a wrong one.
final class SweepPlanTests: XCTestCase {
  private func plan(_ text: String) throws -> SweepPlan { try SweepPlan(text: Array(text.utf8)) }

  private func problem(_ text: String, file: StaticString = #filePath, line: UInt = #line) -> String {
    do throws(PlanError) {
      _ = try SweepPlan(text: Array(text.utf8))
      XCTFail("is no error: \(text)", file: file, line: line)
      return ""
    } catch {
      return error.message
    }
  }

  func testEveryCombinationOnceInOrder() throws {
    let plan = try plan(
      """
      {"traces": ["a.bin", "b.txt"], "modes": ["native", "shadow"], "machines": ["skylake", "zen2"],
       "keys": {"shadow.store": ["invalidate", "update"], "nested.fill": "eager", "costs.exit": [1, 2]}}
      """)
    let points = plan.points
    XCTAssertEqual(points.count, 2 * 2 * 2 * 2 * 2)
    XCTAssertEqual(points.map(\.number), Array(0..<32))
    XCTAssertEqual(Set(points.map(\.summary)).count, 32)
    XCTAssertEqual(
      points.prefix(3).map(\.summary),
      [
        "a skylake native costs.exit=1 nested.fill=eager shadow.store=invalidate",
        "a skylake shadow costs.exit=1 nested.fill=eager shadow.store=invalidate",
        "a skylake native costs.exit=1 nested.fill=eager shadow.store=update",
      ])
  }

  func testDefaults() throws {
    let plan = try plan(#"{"traces": "a.bin"}"#)
    XCTAssertEqual(plan.points.map(\.mode), Mode.allCases)
    XCTAssertEqual(plan.machines, ["skylake"])
    XCTAssertNil(plan.limit)
    XCTAssertFalse(plan.checks)
  }

  func testAnExclusionLeavesOutWhatHasAllThatItNames() throws {
    let plan = try plan(
      """
      {"traces": ["x/a.bin", "b.bin"], "modes": ["native", "shadow"], "keys": {"shadow.prefetch": [0, 4, 8]},
       "exclude": [{"mode": "native", "shadow.prefetch": [4, 8]}, {"trace": "a", "shadow.prefetch": 8},
                   {"trace": "b.bin", "mode": ["shadow"], "machine": "skylake", "shadow.prefetch": 0}]}
      """)
    XCTAssertEqual(
      plan.points.map(\.summary),
      [
        "a skylake native shadow.prefetch=0", "a skylake shadow shadow.prefetch=0",
        "a skylake shadow shadow.prefetch=4", "b skylake native shadow.prefetch=0",
        "b skylake shadow shadow.prefetch=4", "b skylake shadow shadow.prefetch=8",
      ])
    XCTAssertEqual(plan.points.map(\.number), Array(0..<6))
  }

  func testWorkaccessesWithTheirKeysAndSeeds() throws {
    let plan = try plan(
      """
      {"traces": [{"workload": "uniform-random", "keys": {"accesses": [10, "1K"]}, "seeds": [1, 7]}], "modes": "native"}
      """)
    XCTAssertEqual(
      plan.traces.map(\.path),
      [
        "generate uniform-random --set accesses=10 --seed 1", "generate uniform-random --set accesses=10 --seed 7",
        "generate uniform-random --set accesses=1K --seed 1", "generate uniform-random --set accesses=1K --seed 7",
      ])
    XCTAssertEqual(plan.traces[0].name, "uniform-random accesses=10")
    XCTAssertEqual(plan.traces[3].name, "uniform-random accesses=1K seed=7")
    guard case .workload(let workload) = plan.traces[3] else { return XCTFail("no workload") }
    XCTAssertEqual(workload.stream?.header.notes.first { $0.key == "seed" }?.value, "7")
    XCTAssertEqual(workload.stream?.header.notes.first { $0.key == "accesses" }?.value, "1024")
  }

  func testShardsShareThePointsOut() throws {
    let plan = try plan(#"{"traces": ["a.bin", "b.bin", "c.bin"], "modes": "all"}"#)
    let shards = try (1...4).map { try XCTUnwrap(SweepShard("\($0)/4")) }
    for point in plan.points { XCTAssertEqual(shards.count { $0.contains(point) }, 1, point.summary) }
    let sizes = shards.map { shard in plan.points.count(where: shard.contains) }
    XCTAssertEqual(sizes, [4, 4, 4, 3])
    for text in ["0/2", "3/2", "1", "1/2/3", "a/2", "-1/2", "1/0", "0/0", "", "/"] {
      XCTAssertNil(SweepShard(text), text)
    }
  }

  func testTheCanonicalTextFollowsTheMeaning() throws {
    let first = try plan(
      #"{"traces": ["a.bin"], "modes": ["shadow"], "keys": {"shadow.zeros": [1], "tlb.spurious": "on"}}"#)
    let same = try plan(
      #"{ "summary": "x", "keys": {"tlb.spurious": ["on"], "shadow.zeros": 1}, "modes": "shadow", "traces": "a.bin"}"#)
    XCTAssertEqual(first.canonicalText, same.canonicalText)
    for other in [
      #"{"traces": ["b.bin"], "modes": ["shadow"], "keys": {"shadow.zeros": [1], "tlb.spurious": "on"}}"#,
      #"{"traces": ["a.bin"], "modes": ["native"], "keys": {"shadow.zeros": [1], "tlb.spurious": "on"}}"#,
      #"{"traces": ["a.bin"], "modes": ["shadow"], "keys": {"shadow.zeros": [2], "tlb.spurious": "on"}}"#,
      #"{"traces": ["a.bin"], "modes": ["shadow"], "keys": {"shadow.zeros": [1], "tlb.spurious": "on"}, "limit": 5}"#,
      #"{"traces": ["a.bin"], "modes": ["shadow"], "keys": {"shadow.zeros": [1], "tlb.spurious": "on"}, "check": true}"#,
      #"{"traces": ["a.bin"], "modes": ["shadow"], "keys": {"shadow.zeros": [1], "tlb.spurious": "on"}, "machines": "zen2"}"#,
    ] {
      XCTAssertNotEqual(first.canonicalText, try plan(other).canonicalText, other)
    }
    XCTAssertNotEqual(first.machinesText, try plan(#"{"traces": "a", "machines": "zen2"}"#).machinesText)
  }

  func testWhatIsWrongIsToldInOneLine() {
    let cases = [
      (#"["a"]"#, "expected an object in braces, found a list"),
      ("{", "not valid JSON (python3 -m json.tool shows where)"),
      ("{}", "traces is missing: a list of files and workloads"),
      (#"{"traces": []}"#, "traces: the list is empty"),
      (#"{"traces": ["a", "a"]}"#, "traces: 'a' is listed twice"),
      (#"{"traces": [""]}"#, "traces: expected a text of one line, found ''"),
      (#"{"traces": ["a\nb"]}"#, "traces: expected a text of one line, found 'ab'"),
      (#"{"traces": "a", "modes": []}"#, "modes: the list is empty"),
      (#"{"traces": "a", "modes": ["shadow", "shadow"]}"#, "modes: 'shadow' is listed twice"),
      (#"{"traces": "a", "limit": 0}"#, "limit is 0, expected a whole number from 1"),
      (#"{"traces": "a", "check": 1}"#, "check is 1, expected true or false"),
      (
        #"{"traces": "a", "keys": {"shadow.prefetch": [99]}}"#,
        "keys: shadow.prefetch=99: expected a number from 0 to 32"
      ),
      (
        #"{"traces": "a", "exclude": [{"shadow.store": "x"}]}"#,
        "exclude: 'shadow.store' is not in this plan; expected trace, mode, machine"
      ),
      (#"{"traces": "a", "modes": "native", "exclude": [{"mode": "native"}]}"#, "exclude leaves no point"),
      (
        #"{"traces": "a", "modes": "native", "exclude": [{"mode": "bogus"}]}"#,
        "exclude: mode bogus is not in this plan; expected native"
      ),
      (#"{"traces": [{"workload": "gups", "keys": {"x": 1}}]}"#, "traces: gups: no key 'x'; there are"),
      (#"{"traces": [{"workload": "gup"}]}"#, "traces: no workload 'gup'; there are"),
      (#"{"traces": "a", "machines": "skylark"}"#, "machines: no machine 'skylark'"),
      (#"{"traces": "a", "mode": "native"}"#, "mode: no such key; expected traces, modes"),
      (#"{"traces": "a", "keys": {"shadow.stor": "x"}}"#, "keys: no key 'shadow.stor'"),
    ]
    for (text, message) in cases {
      let found = problem(text)
      XCTAssertTrue(found.hasPrefix(message), "\(text): \(found)")
      XCTAssertFalse(found.contains("\n"), found)
    }
  }
}
