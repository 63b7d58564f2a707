import Machine
import XCTest

@testable import Reporting

/// The comparison of modes with native.
final class ComparisonTests: XCTestCase {
  private func run(_ mode: Mode, machine: String = "m", _ set: (inout Counters) -> Void) -> Run {
    var counters = Counters()
    counters.loads = 100
    set(&counters)
    return Run(trace: "t", mode: mode, machine: machine, counters: counters, seconds: 1)
  }

  func testTheLargestCostsComeFirstAndWhatCostsNothingIsNotNamed() {
    var counters = Counters()
    XCTAssertTrue(Comparison.largestCosts(counters).isEmpty)
    counters.cycles.walk = 5
    counters.cycles.trace = 70
    XCTAssertEqual(Comparison.largestCosts(counters).map(\.item.name), ["hidden_trace", "walk"])
    (counters.cycles.cr3, counters.cycles.fill) = (6, 70)
    // Of two that cost the same, the one that is listed first.
    XCTAssertEqual(Comparison.largestCosts(counters).map(\.item.name), ["hidden_fill", "hidden_trace", "exit_cr3"])
    XCTAssertEqual(Comparison.largestCosts(counters).map(\.cycles), [70, 70, 6])
  }

  /// Every item counts in just one of the parts, and its column shows it.
  func testItemsAddUpToTheParts() {
    var counters = Counters()
    let fields: [WritableKeyPath<Cycles, UInt64>] = [
      \.secondTLB, \.walk, \.nestedWalk, \.delivery, \.guestCR3, \.guestInvlpg, \.fill, \.trace, \.dirty, \.host,
      \.other,
      \.trueFault, \.cr3, \.invlpg, \.control, \.interrupt, \.hypercall, \.validation, \.examine, \.dirtyLog,
      \.nestedSplit, \.mode,
    ]
    XCTAssertEqual(fields.count, Cycles.items.count)
    for (index, field) in fields.enumerated() {
      counters.cycles[keyPath: field] = 1 << UInt64(index)
      XCTAssertEqual(Cycles.items[index].value(counters.cycles), 1 << UInt64(index))
      XCTAssertEqual(counters.cyclesTotal, 1 << UInt64(index + 1) - 1)
    }
    XCTAssertEqual(counters.cyclesTranslation, 7)
    XCTAssertEqual(counters.cyclesGuest, 7 << 3)
  }

  func testEachModeStandsBesideNativeOnItsOwnMachine() {
    let comparison = Comparison([
      run(.native) { $0.cycles.walk = 100 }, run(.shadow) { $0.cycles.trace = 250 },
      run(.native, machine: "n") { $0.cycles.walk = 10 }, run(.shadow, machine: "n") { $0.cycles.trace = 20 },
    ])
    let rows = comparison.csv.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    XCTAssertEqual(rows.count, 5)
    XCTAssertTrue(rows.allSatisfy { $0.count == rows[0].count })
    XCTAssertEqual(rows.dropFirst().map { $0[6] }, ["1.000000", "2.500000", "1.000000", "2.000000"])
    let text = comparison.text
    XCTAssertTrue(text.contains("2.50 x") && text.contains("2.00 x"), text)
    XCTAssertTrue(text.contains("100 % stores to traced pages"), text)
    XCTAssertTrue(text.contains("t: cycles an access by machine"), text)
    XCTAssertTrue(text.contains("2.50 (2.50 x)   0.20 (2.00 x)"), text)
  }

  func testWithoutNativeThereIsNoRatio() {
    let comparison = Comparison([run(.shadow) { $0.cycles.trace = 250 }])
    XCTAssertFalse(comparison.text.contains(" x"), comparison.text)
    XCTAssertFalse(comparison.text.contains("by machine"))
  }
}
