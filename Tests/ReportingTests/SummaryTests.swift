import Machine
import Reporting
import XCTest

/// The table for people.
final class SummaryTests: XCTestCase {
  private func run(_ mode: Mode, trace: String = "boot", _ change: (inout Counters) -> Void) -> Run {
    var counters = Counters()
    counters.operations = 1_234_567
    counters.loads = 1_000_000
    change(&counters)
    return Run(trace: trace, mode: mode, machine: "skylake", counters: counters, seconds: 0.5)
  }

  func testModesStandSideBySide() {
    let native = run(.native) {
      $0.translations = 1_000_000
      $0.tlbL1Hits = 990_000
      $0.tlbMisses = 10_000
      $0.walks = 10_000
      $0.walkReferences = 15_000
      $0.walkReferencesGuest = 15_000
      $0.trueFaults = 4
      $0.cycles.walk = 2_000_000
    }
    let shadow = run(.shadow) {
      $0.translations = 1_000_000
      $0.tlbL1Hits = 990_000
      $0.tlbMisses = 10_000
      $0.walks = 10_006
      $0.walkReferences = 15_020
      $0.trueFaults = 4
      $0.hiddenFill = 6
      $0.exitFault = 10
      $0.shadowPages = 3
      $0.shadowPagesPeak = 5
      $0.cycles.walk = 2_000_000
      $0.cycles.fill = 1_000_000
    }
    XCTAssertEqual(
      Summary.text([native, shadow]),
      """
      boot on skylake

                                        native      shadow
      trace
        operations                   1,234,567   1,234,567
        accesses                     1,000,000   1,000,000
          loads                      1,000,000   1,000,000
      translation
        translations                 1,000,000   1,000,000
          L1 TLB hits                  990,000     990,000
            share                      99.00 %     99.00 %
          TLB misses                    10,000      10,000
            share                       1.00 %      1.00 %
        walks                           10,000      10,006
        walk references                 15,000      15,020
          to guest tables               15,000           0
          a walk                          1.50        1.50
          a TLB miss                      1.50        1.50
      faults
        true faults                          4           4
        hidden faults                        0           6
          fill                               0           6
        hidden faults a true fault        0.00        1.50
      exits
        exits                                0          10
          faults and violations              0          10
        exits a million accesses          0.00       10.00
      memory
        shadow pages at the end              0           3
        shadow pages, peak                   0           5
      cycles (estimated)
        translation                  2,000,000   2,000,000
          share                       100.00 %     66.67 %
        virtualization                       0   1,000,000
          share                         0.00 %     33.33 %
        total                        2,000,000   3,000,000
          an access                       2.00        3.00
          against native                1.00 x      1.50 x
      this run
        seconds                          0.500       0.500
        operations a second          2,469,134   2,469,134

      """)
  }

  func testWhatIsWrongComesFirst() {
    let text = Summary.text([run(.direct) { $0.divergences = 2 }])
    XCTAssertTrue(
      text.hasPrefix(
        """
        boot on skylake

                                         direct
        look at these first
          ! divergences (must be 0)           2
        trace

        """), text)
  }

  func testEachTraceHasATable() {
    let runs = [run(.native) { _ in }, run(.native, trace: "fork") { _ in }, run(.native, trace: "fork") { _ in }]
    let titles = Summary.text(runs).split(separator: "\n").filter { $0.contains(" on ") }
    XCTAssertEqual(titles, ["boot on skylake", "fork on skylake", "fork on skylake"])
  }

  func testSettingsAreTold() {
    var run = run(.native) { _ in }
    run.settings = "costs.exit=5"
    XCTAssertTrue(Summary.text([run]).hasPrefix("boot on skylake, with costs.exit=5\n"))
  }

  func testLabelsLeadToColumns() {
    XCTAssertEqual(Summary.columns(labelled: "fill"), ["hidden_fill"])
    XCTAssertEqual(Summary.columns(labelled: "L1 TLB hits"), ["tlb_l1_hits"])
    XCTAssertEqual(Summary.columns(labelled: "Divergences (must be 0)"), ["divergences"])
    XCTAssertEqual(Summary.columns(labelled: "other"), ["hidden_other", "exit_other"])
    XCTAssertEqual(Summary.columns(labelled: "nonsense"), [])
  }
}
