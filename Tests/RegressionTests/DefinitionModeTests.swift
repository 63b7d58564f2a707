import Foundation
import Machine
import Reporting
import XCTest

/// The modes that a definition names, against what the goldens counted.
final class DefinitionModeTests: XCTestCase {
  func testAColumnIsCountedOnlyUnderTheModesOfItsDefinition() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens")
    var checked = 0
    for mode in Mode.allCases {
      let file = folder.appendingPathComponent("\(mode.rawValue).csv")
      let rows = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      }
      for (index, column) in rows[0].enumerated() {
        guard let row = rows.dropFirst().first(where: { $0[index] != "0" }) else { continue }
        let definition = try XCTUnwrap(Definitions.of(column), column)
        XCTAssertTrue(definition.modes.contains(mode), "\(column) is \(row[index]) in \(row[0]) under \(mode.rawValue)")
        checked += 1
      }
    }
    XCTAssertGreaterThan(checked, 60)
  }
}
