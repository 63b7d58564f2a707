import Foundation
import FoundationXML
import Paging
import XCTest

@testable import Machine
@testable import Reporting

/// The picture of a walk.
final class WalkDrawingTests: XCTestCase {
  private func reference(_ dimension: WalkDimension, _ level: Int, row: Int) -> WalkStep {
    .reference(
      WalkReference(dimension: dimension, level: level, row: row, address: MachineAddress(0x1000), value: 0x2067))
  }

  /// A walk of two dimensions: a row for what is looked for, a column for where it is read, numbers in order.
  func testTheGridOfANestedWalk() {
    let grid = WalkGrid([
      reference(.nested, 2, row: 1), reference(.nested, 1, row: 1), reference(.guest, 1, row: 1),
      .cached(WalkCacheHit(cache: .nestedStructures, row: 0, nextLevel: 1, frame: MPN(5))),
      reference(.nested, 1, row: 0),
    ])
    XCTAssertEqual(grid.rows, [1, 0])
    XCTAssertEqual(grid.columns, [2, 1, 0])
    XCTAssertEqual([2, 1, 0].map { grid.cells[1]?[$0]?.number }, [1, 2, 3])
    XCTAssertNil(grid.cells[0]?[2]?.number)
    XCTAssertEqual(grid.cells[0]?[2]?.caption, "nested structure cache")
    XCTAssertEqual(grid.cells[0]?[1]?.number, 4)
  }

  func testThePictureIsOneThatABrowserTakes() throws {
    let steps: [WalkStep] = [
      .lookUp(level: 1, found: nil), .walk, .stopped("fault"), .walk, reference(.guest, 1, row: 1),
      .translated(MPN(0x10), size: .small),
    ]
    let panel = WalkDrawing.Panel(title: "a <b> & c", steps: steps, isNested: false)
    let svg = WalkDrawing(heading: "h", panels: [panel]).svg
    XCTAssertTrue(svg.contains("a &lt;b&gt; &amp; c (the last of 2 walks"), svg)
    XCTAssertTrue(svg.contains("1  L1") && svg.contains("machine page 10"), svg)
    let parser = XMLParser(data: Data(svg.utf8))
    XCTAssertTrue(parser.parse(), String(describing: parser.parserError))
  }
}
