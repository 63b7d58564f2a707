import Machine
import Reporting
import XCTest

/// The hand-written traces say in their comments which counts they must give: `# expect MODE column=value …`, on the
/// machine of `# machine NAME` with the keys of `# set KEY=VALUE`. `# modes MODE …` says which modes it is for, if not for
/// all; `# loads MODE VALUE …` what its `load` operations read.
final class ScenarioTests: XCTestCase {
  func testEveryScenarioGivesTheCountsThatItNames() throws {
    let names = try Traces.names(".txt")
    XCTAssertGreaterThanOrEqual(names.count, 12)
    for name in names { try check(name) }
  }

  private func check(_ name: String) throws {
    let scenario = try Scenario(name)
    XCTAssertFalse(scenario.expectations.isEmpty && scenario.loads.isEmpty, "\(name) expects nothing")
    for mode in scenario.modes {
      let outcome = try replay(name, mode, machine: scenario.machine, settings: scenario.settings)
      XCTAssertEqual(outcome.divergences, [], "\(name), \(mode)")
      for expectation in scenario.expectations where expectation.mode == mode {
        let column = CounterTable.columns.first { $0.name == expectation.column }
        let value = try XCTUnwrap(column, "\(name): no column \(expectation.column)").value(outcome.counters)
        XCTAssertEqual(value, expectation.value, "\(name), \(mode), \(expectation.column)")
      }
      if let loads = scenario.loads[mode] {
        let values = outcome.events.filter { $0.kind == .load }.map { String($0.value ?? 0, radix: 16) }
        XCTAssertEqual(values, loads, "\(name), \(mode)")
      }
    }
  }

  /// Every mode leaves a scenario's guest the tables that native leaves, A and D included.
  func testFinalTablesAreTheSameInEveryMode() throws {
    for name in try Traces.names(".txt") {
      let scenario = try Scenario(name)
      guard scenario.modes.count > 1 else { continue }
      let native = try replay(name, .native, machine: scenario.machine, settings: scenario.settings).tables
      for mode in scenario.modes where mode != .native {
        let tables = try replay(name, mode, machine: scenario.machine, settings: scenario.settings).tables
        XCTAssertEqual(native.filter { tables[$0.key] != $0.value }, [:], "\(name), \(mode)")
      }
    }
  }

  /// Every mode shows a scenario's guest the same page faults, in the same order.
  func testTrueFaultsAreTheSameInEveryMode() throws {
    for name in try Traces.names(".txt") {
      let scenario = try Scenario(name)
      let faults = try scenario.modes.map { mode in
        try replay(name, mode, machine: scenario.machine, settings: scenario.settings).events
          .filter { $0.kind == .trueFault }.map { "\($0.operation) \($0.virtual as Any) \($0.code as Any)" }
      }
      for other in faults.dropFirst() { XCTAssertEqual(other, faults[0], name) }
    }
  }
}

/// What the comments of a scenario say.
struct Scenario {
  struct Expectation {
    var mode: Mode
    var column: String
    var value: UInt64
  }

  var machine = "skylake"
  var settings: [String] = []
  var modes = Mode.allCases
  var expectations: [Expectation] = []
  var loads: [Mode: [String]] = [:]

  init(_ name: String) throws {
    let text = try String(contentsOfFile: Traces.path(name), encoding: .utf8)
    for line in text.split(separator: "\n") where line.hasPrefix("# ") {
      let words = line.dropFirst(2).split(separator: " ").map(String.init)
      switch words.first {
      case "machine": machine = words[1]
      case "set": settings.append(words[1])
      case "modes": modes = try words.dropFirst().map { try XCTUnwrap(Mode(rawValue: $0), "\(name): \(line)") }
      case "loads":
        let mode = try XCTUnwrap(Mode(rawValue: words[1]), "\(name): \(line)")
        loads[mode] = Array(words.dropFirst(2))
      case "expect":
        let mode = try XCTUnwrap(Mode(rawValue: words[1]), "\(name): \(line)")
        for word in words.dropFirst(2) {
          let pair = word.split(separator: "=")
          let value = try XCTUnwrap(pair.last.flatMap { UInt64($0) }, "\(name): \(line)")
          expectations.append(Expectation(mode: mode, column: String(pair[0]), value: value))
        }
      default: break
      }
    }
  }
}
