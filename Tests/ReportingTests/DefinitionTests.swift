import Machine
import Reporting
import XCTest

/// The meaning of every column.
final class DefinitionTests: XCTestCase {
  /// A new counter needs a column and a definition: add it to a list in `Sources/Reporting/Definitions`.
  func testEveryColumnHasOneDefinition() {
    let columns = CounterTable.header.dropLast().split(separator: ",").map(String.init)
    for column in columns {
      XCTAssertEqual(Definitions.all.count { $0.column == column }, 1, "column \(column) has no definition, or several")
    }
    let extra = Definitions.all.map(\.column).filter { !columns.contains($0) }
    XCTAssertEqual(extra.prefix(1), ["first_operation"])
    XCTAssertEqual(extra.dropFirst().first, "point", "a definition without a column: \(extra)")
  }

  func testADefinitionSaysWhatItIs() {
    for definition in Definitions.all {
      XCTAssertFalse(definition.unit.isEmpty, definition.column)
      XCTAssertTrue(definition.meaning.hasSuffix("."), definition.column)
      XCTAssertFalse(definition.meaning.contains("  "), definition.column)
      XCTAssertFalse(definition.modes.isEmpty, definition.column)
      XCTAssertEqual(Definitions.of(definition.column), definition)
    }
    XCTAssertNil(Definitions.of("no_such_column"))
  }
}
