import Machine
import MachineDescriptions
import Paging
import Reporting
import TraceFormat
import XCTest

/// Traces as domains of one machine that take turns on it: each counts what it counts alone, since nothing of one is
/// another's.
final class DomainTests: XCTestCase {
  func testScenariosSideBySide() throws {
    let names = try Traces.names(".txt").filter { name in
      let scenario = try Scenario(name)
      let text = try String(contentsOfFile: Traces.path(name), encoding: .utf8)
      // Those that name a machine frame, or let a third domain call, are for a machine of their own.
      return scenario.modes.contains(.direct) && scenario.machine == "skylake" && scenario.settings.isEmpty
        && !text.contains("\nvm ") && !text.contains("\nhypercall ")
    }
    XCTAssertGreaterThan(names.count, 15)
    try check(names, quantum: 3, checks: true)
  }

  func testRecordingsSideBySide() throws { try check(["mmap.bin", "pie.bin"], quantum: 1500, checks: false) }

  /// Kernels in ring 3, which have base tables for user code besides.
  func testKernelsInRing3SideBySide() throws {
    let names = ["ring-3.txt", "detached-table.txt", "context-switch.txt", "copy-on-write.txt"]
    try check(names, quantum: 2, checks: true, ["direct.rings=3"])
  }

  /// No table stays detached while another domain runs: the end of a turn costs what a hypercall does.
  func testDetachedTablesSideBySide() throws {
    let names = ["detached-table.txt", "write-trace.txt", "detached-table.txt"]
    for quantum in 1...6 { try check(names, quantum: quantum, checks: true, ["direct.stores=detach"]) }
  }

  private func check(_ names: [String], quantum: Int, checks: Bool, _ settings: [String] = []) throws {
    let host = XenHost()
    var domains = try names.map { try Domain($0, on: host, checks: checks, settings) }
    while domains.contains(where: { !$0.hasEnded }) {
      for index in domains.indices where !domains[index].hasEnded { try domains[index].takeTurn(of: quantum) }
    }
    for domain in domains { try domain.simulation.finish() }
    for (name, domain) in zip(names, domains) {
      XCTAssertEqual(domain.simulation.divergences, [], name)
      let alone = try replay(name, .direct, settings: settings, checks: checks)
      let ownCounts = GoldenTests.columns.filter { _ in settings != ["direct.stores=detach"] }
      for column in CounterTable.columns where ownCounts.contains(column.name) {
        XCTAssertEqual(
          column.value(domain.simulation.counters), column.value(alone.counters), "\(name): \(column.name)")
      }
      XCTAssertEqual(domain.simulation.guestTables().filter { alone.tables[$0.key] != $0.value }, [:], name)
    }
  }

  /// Both would be the machine's only hypervisor.
  func testOtherModesHaveNoDomains() throws {
    let machine = try MachineFile(named: "skylake").description()
    for mode in Mode.allCases where mode != .direct {
      let configuration = Configuration(mode: mode, machine: machine, guest: .scenario)
      XCTAssertThrowsError(try Simulation(configuration, on: XenHost()), mode.rawValue)
    }
  }
}

/// A trace that is a domain's.
private struct Domain {
  let simulation: Simulation
  private var operations: [OperationBatch] = []
  private var batch = 0
  private var next = 0

  init(_ name: String, on host: XenHost, checks: Bool, _ settings: [String]) throws {
    var reader = try TraceReader(path: Traces.path(name))
    var configuration = Configuration(
      mode: .direct, machine: try MachineFile(named: "skylake").description(), guest: reader.header.guest)
    configuration.checks = checks
    for setting in settings {
      let parts = setting.split(separator: "=").map(String.init)
      XCTAssertNil(configuration.settings.set(parts[0], to: parts[1]), setting)
    }
    simulation = try Simulation(configuration, on: host)
    var batch = OperationBatch()
    while try reader.read(into: &batch) { operations.append(batch) }
  }

  var hasEnded: Bool { batch == operations.count }

  /// So many operations of one batch at most.
  mutating func takeTurn(of quantum: Int) throws {
    let whole = operations[batch]
    let end = min(next + quantum, whole.count)
    var part = whole
    for (place, index) in (next..<end).enumerated() { part.operations[place] = whole.operations[index] }
    part.count = end - next
    part.firstNumber += UInt64(next)
    try simulation.replay(part)
    next = end == whole.count ? 0 : end
    if next == 0 { batch += 1 }
  }
}
