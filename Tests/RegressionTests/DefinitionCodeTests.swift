import Foundation
import Reporting
import XCTest

/// The places in the sources that `memlab explain` names.
final class DefinitionCodeTests: XCTestCase {
  func testEachIsThere() {
    let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    for definition in Definitions.all where !definition.isText {
      let place = top.appendingPathComponent(Definitions.code(of: definition.column)).path
      XCTAssertTrue(FileManager.default.fileExists(atPath: place), "\(definition.column): \(place)")
    }
  }
}
