import Machine
import MachineDescriptions
import Paging
import XCTest

/// The machine files that ship with memlab.
final class ShippedMachineTests: XCTestCase {
  func testEveryMachineIsPlausibleAndNamedAsItsFile() throws {
    XCTAssertGreaterThanOrEqual(MachineFile.names.count, 7)
    for name in MachineFile.names {
      let machine = try MachineFile(named: name).description()
      XCTAssertEqual(machine.name, name)
      XCTAssertNil(machine.problem, name)
      XCTAssertFalse(machine.summary.isEmpty, name)
    }
  }

  func testEveryFigureHasASource() throws {
    for name in MachineFile.names {
      let file = try MachineFile(named: name)
      XCTAssertGreaterThan(file.figures.count, 20, name)
      for figure in file.figures { XCTAssertNotNil(figure.source, "\(name): \(figure.path)") }
    }
  }

  func testTheDefaultIsSkylake() throws {
    let machine = try MachineFile(MachineFile.defaultName).description()
    XCTAssertEqual(machine.name, "skylake")
    XCTAssertEqual(machine.maxPhysicalAddressBits, 46)
    XCTAssertTrue(machine.hasHugePages)
    XCTAssertTrue(machine.hasPCID)
    XCTAssertFalse(machine.hasFiveLevels)
    XCTAssertEqual(
      Set(machine.l1Data),
      [
        TLBGeometry([.small], sets: 16, ways: 4), TLBGeometry([.large], sets: 8, ways: 4),
        TLBGeometry([.huge], sets: 1, ways: 4),
      ])
    XCTAssertEqual(
      Set(machine.l1Instruction),
      [TLBGeometry([.small], sets: 16, ways: 8), TLBGeometry([.large], sets: 1, ways: 8)])
    XCTAssertEqual(
      Set(machine.l2),
      [TLBGeometry([.small, .large], sets: 128, ways: 12), TLBGeometry([.huge], sets: 4, ways: 4)])
    XCTAssertEqual(machine.pagingStructureCaches, [2: 32, 3: 4, 4: 2])
    XCTAssertEqual(machine.walkCaches.first, CacheGeometry(sets: 64, ways: 8, cycles: 4))
    XCTAssertEqual(machine.costs.memory, 200)
  }

  func testTheTextbookMachineHasNoCaches() throws {
    let machine = try MachineFile(named: "textbook").description()
    XCTAssertTrue(machine.l1Instruction.isEmpty && machine.l1Data.isEmpty && machine.l2.isEmpty)
    XCTAssertTrue(machine.pagingStructureCaches.isEmpty && machine.walkCaches.isEmpty)
  }

  func testOnlyIceLakeAndTheTextbookHaveFiveLevels() throws {
    let names = try MachineFile.names.filter { try MachineFile(named: $0).description().hasFiveLevels }
    XCTAssertEqual(Set(names), ["icelake", "textbook"])
  }
}
