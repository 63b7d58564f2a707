import Foundation
import Machine
import Reporting
import XCTest

/// The counts of faults and exits of every trace in `traces/` under every mode, as they were when somebody last looked at
/// them. `scripts/update-goldens` writes them anew; a change of one is a decision, and its reason is in the commit.
final class GoldenTests: XCTestCase {
  /// Counts that no cost or geometry decides, so that a better machine description changes nothing here.
  static let columns = [
    "operations", "accesses", "translations", "true_faults", "hidden_fill", "hidden_trace", "hidden_dirty",
    "hidden_host", "hidden_other", "exit_fault", "exit_cr3", "exit_invlpg", "exit_hypercall", "exit_other",
    "hypercalls",
    "mmu_updates", "mmu_updates_rejected", "guest_pte_writes", "guest_cr3_loads", "guest_invlpgs", "shadow_pages_peak",
    "traced_pages_peak", "machine_frames_peak", "divergences", "stale_hits",
  ]

  func testCountsAreThoseOfTheGoldens() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens")
    let traces = try Traces.names(".bin") + Traces.names(".txt")
    XCTAssertGreaterThanOrEqual(traces.count, 17)
    for mode in Mode.allCases {
      let file = folder.appendingPathComponent("\(mode.rawValue).csv")
      let text = try golden(mode, traces)
      if ProcessInfo.processInfo.environment["MEMLAB_UPDATE_GOLDENS"] != nil {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try text.write(to: file, atomically: true, encoding: .utf8)
      }
      let (found, known) = (rows(text), try rows(String(contentsOf: file, encoding: .utf8)))
      for trace in Set(found.keys).union(known.keys).sorted() {
        XCTAssertEqual(found[trace], known[trace], "\(mode): \(trace)")
      }
    }
  }

  /// Lines by their first word.
  private func rows(_ text: String) -> [Substring: Substring] {
    Dictionary(uniqueKeysWithValues: text.split(separator: "\n").map { ($0.prefix { $0 != "," }, $0) })
  }

  private func golden(_ mode: Mode, _ traces: [String]) throws -> String {
    var lines = [(["trace"] + Self.columns).joined(separator: ",")]
    for trace in traces {
      if trace.hasSuffix(".txt"), try !Scenario(trace).modes.contains(mode) { continue }
      // With the defaults, but for what a trace cannot be carried out without.
      let settings = trace.hasSuffix(".txt") ? try Scenario(trace).settings.filter { $0 == "direct.iommu=on" } : []
      let counters = try replay(trace, mode, settings: settings, checks: false).counters
      let values = try Self.columns.map { name in
        let column = CounterTable.columns.first { $0.name == name }
        return String(try XCTUnwrap(column, name).value(counters))
      }
      lines.append(([trace] + values).joined(separator: ","))
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
