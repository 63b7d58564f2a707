import Machine
import MachineDescriptions
import Paging
import XCTest

/// `--set` on the figures of a machine.
final class OverrideTests: XCTestCase {
  private func skylake(_ key: String, _ value: String) throws -> MachineDescription {
    var file = try MachineFile(named: "skylake")
    try file.set(key, to: value)
    return try file.description()
  }

  private func assertRefused(
    _ key: String, _ value: String, _ message: String, file: StaticString = #filePath, line: UInt = #line
  ) {
    XCTAssertThrowsError(try skylake(key, value), file: file, line: line) { error in
      XCTAssertEqual(error as? MachineError, MachineError(.usage, message), file: file, line: line)
    }
  }

  func testEveryKindOfFigureCanBeSet() throws {
    XCTAssertEqual(try skylake("maxphyaddr", "40").maxPhysicalAddressBits, 40)
    XCTAssertEqual(try skylake("fiveLevels", "true").hasFiveLevels, true)
    XCTAssertEqual(try skylake("costs.exit", "1000").costs.exit, 1000)
    XCTAssertEqual(try skylake("pagingStructureCaches.pml5e", "3").pagingStructureCaches[5], 3)
    XCTAssertEqual(try skylake("walkCaches.L2.cycles", "15").walkCaches[1].cycles, 15)
    let ways = try skylake("tlb.l1d.4K.entries", "32").l1Data.first { $0.pageSizes == [.small] }
    XCTAssertEqual(ways, TLBGeometry([.small], sets: 8, ways: 4))
    let full = try skylake("tlb.l1d.4K.ways", "full").l1Data.first { $0.pageSizes == [.small] }
    XCTAssertEqual(full, TLBGeometry([.small], sets: 1, ways: 64))
  }

  func testZeroEntriesTakeAnArrayAway() throws {
    XCTAssertFalse(try skylake("tlb.l1d.1G.entries", "0").l1Data.contains { $0.pageSizes == [.huge] })
    XCTAssertNil(try skylake("pagingStructureCaches.pde", "0").pagingStructureCaches[2])
  }

  func testEveryFigureCanBeSetToItsOwnValue() throws {
    let machine = try MachineFile(named: "skylake").description()
    for figure in try MachineFile(named: "skylake").figures {
      XCTAssertEqual(try skylake(figure.path, figure.value), machine, figure.path)
    }
  }

  func testAnUnknownKeyNamesTheKeysWhereItWentWrong() {
    assertRefused("tlb.l3.4K.entries", "1", "no key 'tlb.l3.4K.entries': the keys of tlb are l1d, l1i, l2")
    assertRefused("tlb.l1d.4K", "1", "'tlb.l1d.4K' is a group of keys: the keys of tlb.l1d.4K are entries, ways")
    assertRefused("walkCaches.L9.ways", "1", "no key 'walkCaches.L9.ways': the keys of walkCaches are L1D, L2, L3")
    assertRefused("costs.exit.now", "1", "no key 'costs.exit.now': costs.exit has no keys below it")
    assertRefused(
      "cost", "1",
      "no key 'cost': the keys of machine skylake are maxphyaddr, hugePages, fiveLevels, pcid, "
        + "sensitiveInstructionsTrap, tlb, pagingStructureCaches, nestedCaches, walkCaches, costs")
  }

  func testNamesAndSourcesAreNoFigures() {
    for key in ["name", "summary", "sources.tlb", "walkCaches.L1D.name"] {
      XCTAssertThrowsError(try skylake(key, "x"), key)
    }
  }

  func testAValueThatTheKeyCannotTake() {
    assertRefused("maxphyaddr", "53", "--set maxphyaddr=53: maxphyaddr is 53, expected 32 to 52")
    assertRefused("maxphyaddr", "many", "--set maxphyaddr=many: maxphyaddr is many, expected a whole number from 0")
    assertRefused("pcid", "1", "--set pcid=1: pcid is 1, expected true or false")
    assertRefused(
      "tlb.l1d.4K.ways", "7",
      "--set tlb.l1d.4K.ways=7: tlb.l1d.4K.ways is 7, expected a divisor of the 64 entries, or full")
    assertRefused(
      "costs.exit", "-1", "--set costs.exit=-1: costs.exit is -1, expected cycles from 0 to 1000000000")
  }
}
