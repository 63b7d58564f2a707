import XCTest

@testable import Reproductions

/// Published results run again: what must come out exactly or by sign does; the list is complete.
final class ReproductionTests: XCTestCase {
  /// Figures that are known to be missed, by experiment; anything else that is missed is a change.
  private let missed: [String: Set<String>] = [
    "nested-walk-cycles": ["2 MiB pages", "4 KiB over 2 MiB"], "process-creation": ["exec: shadow over direct"],
  ]

  /// Those that take seconds rather than minutes without an optimiser run on each test; `scripts/reproductions` runs all.
  private let quick: Set = ["walk-arithmetic", "nanobenchmarks", "process-creation"]

  func testEachSaysWhatItClaimsAndWhere() {
    XCTAssertGreaterThanOrEqual(Reproduction.all.count, 8)
    XCTAssertEqual(Set(Reproduction.all.map(\.name)).count, Reproduction.all.count)
    for one in Reproduction.all {
      XCTAssertTrue(one.claim.hasSuffix("."), one.name)
      XCTAssertTrue(one.source.contains("20"), "\(one.name): a year")
      XCTAssertFalse(one.setup.isEmpty)
      XCTAssertEqual(Set(one.targets.map(\.label)).count, one.targets.count, one.name)
      XCTAssertTrue(one.targets.allSatisfy { !$0.unit.isEmpty }, one.name)
    }
  }

  func testFiguresComeOutAsTheyDid() throws {
    for one in Reproduction.all where quick.contains(one.name) {
      for figure in try one.run() {
        let isKnown = missed[one.name]?.contains(figure.label) == true
        XCTAssertEqual(figure.isMet, !isKnown, "\(one.name), \(figure.label): \(figure.measured)")
      }
    }
  }

  /// A figure outside what was accepted is missed, whatever the reason says.
  func testVerdicts() {
    let target = Target.about("x", "cycles", 100, within: 0.1, reason: "because")
    XCTAssertEqual(target.published, "100")
    XCTAssertTrue(Figure(target: target, measured: 109.9).isMet)
    XCTAssertEqual(Figure(target: target, measured: 109.9).reason, "")
    XCTAssertFalse(Figure(target: target, measured: 110.1).isMet)
    XCTAssertEqual(Figure(target: target, measured: 89.9).reason, "because")
    XCTAssertFalse(Figure(target: .exactly("y", "references", 24), measured: 24.01).isMet)
  }
}
