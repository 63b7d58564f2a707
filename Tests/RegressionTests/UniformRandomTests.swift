import Machine
import MachineDescriptions
import Paging
import Workloads
import XCTest

/// References of walks on the processor of Bhargava et al. (ASPLOS 2008, table 2), whose geometry is known to the last
/// entry, under uniform random loads. The expected values come from a model that shares no code with
/// memlab: look-ups by the address of the entry in one list of 24, in order of use, and one of 16.
final class UniformRandomTests: XCTestCase {
  /// Memory references a walk for: no cache, 1D, 2D, 2D and nested TLB, native, 2 MiB nested pages with both; then the
  /// nested TLB's hits a look-up and the page-walk cache's look-ups a walk with both.
  private struct Row {
    var footprint: Int
    var references: [Double]
    var hits: Double
    var lookUps: Double
  }

  private static let rows = [
    Row(footprint: 4, references: [24, 21, 2.00, 2.00, 1.00, 1.00], hits: 1, lookUps: 8.00),
    Row(footprint: 16, references: [24, 21, 3.71, 2.66, 1.00, 1.00], hits: 1, lookUps: 8.00),
    Row(footprint: 64, references: [24, 21.31, 4.63, 4.28, 1.31, 2.43], hits: 0.852, lookUps: 10.36),
    Row(footprint: 256, references: [24, 21.83, 4.91, 4.83, 1.83, 2.86], hits: 0.775, lookUps: 11.60),
    Row(footprint: 1024, references: [24, 21.96, 4.98, 4.96, 1.96, 2.96], hits: 0.756, lookUps: 11.90),
  ]

  func testReferencesAWalkAreThoseOfTheIndependentModel() throws {
    for row in Self.rows {
      let columns: [(mode: Mode, settings: [String])] = [
        (.nested, ["walk.cache=none"]), (.nested, ["walk.cache=guest"]), (.nested, ["nestedCaches.tlb.4K.entries=0"]),
        (.nested, []), (.native, []), (.nested, ["nested.page=2M"]),
      ]
      for (column, expected) in zip(columns, row.references) {
        let counters = try run(row.footprint, column.mode, column.settings)
        let found = Double(counters.walkReferences) / Double(counters.walks)
        XCTAssertEqual(found, expected, accuracy: expected * 0.02, "\(row.footprint) MiB, \(column)")
      }
      let counters = try run(row.footprint, .nested, [])
      let walks = Double(counters.walks)
      XCTAssertEqual(Double(counters.nestedTLBHits) / walks / 4, row.hits, accuracy: 0.02 * row.hits)
      let lookUps = counters.walkReferences + counters.structureCacheHits + counters.nestedStructureCacheHits
      XCTAssertEqual(Double(lookUps) / walks, row.lookUps, accuracy: 0.02 * row.lookUps)
    }
  }

  /// The same values give the same operations; another seed other ones.
  func testTheSeedDecides() throws {
    let first = try run(["footprint": 64, "accesses": 20_000], .native, [])
    XCTAssertEqual(first, try run(["footprint": 64, "accesses": 20_000], .native, []))
    XCTAssertNotEqual(first, try run(["footprint": 64, "accesses": 20_000], .native, [], seed: 2))
    XCTAssertEqual(first.loads, 20_000)
    XCTAssertEqual(first.trueFaults, 0)
    XCTAssertEqual(first.guestTablePages, 32 + 3)
    XCTAssertEqual(try run(["footprint": 64, "accesses": 9, "large": 1], .native, []).guestTablePages, 3)
  }

  private func run(_ footprint: Int, _ mode: Mode, _ settings: [String]) throws -> Counters {
    try run(
      ["footprint": UInt64(footprint), "accesses": 100_000], mode,
      ["nested.fill=eager", "nested.tlb=tables"] + settings)
  }

  private func run(
    _ values: [String: UInt64], _ mode: Mode, _ settings: [String], seed: UInt64 = 1
  ) throws -> Counters {
    var file = try MachineFile(named: "bhargava2008")
    var chosen = Settings()
    for setting in settings {
      let parts = setting.split(separator: "=").map(String.init)
      if Settings.keys.contains(where: { $0.name == parts[0] }) {
        if let problem = chosen.set(parts[0], to: parts[1]) { throw BadSetting(problem: problem) }
      } else {
        try file.set(parts[0], to: parts[1])
      }
    }
    var configuration = Configuration(mode: mode, machine: try file.description(), guest: .scenario)
    configuration.settings = chosen
    let simulation = try Simulation(configuration)
    var stream = try XCTUnwrap(Workload.named("uniform-random")).stream(values, seed: seed)
    XCTAssertEqual(stream.header.guest, .scenario)
    var batch = OperationBatch()
    while stream.read(into: &batch) { try simulation.replay(batch) }
    try simulation.finish()
    return simulation.counters
  }
}
