import Paging
import XCTest

@testable import Machine

/// AMD's format: the host's page tables (APM 2 15.25).
extension NestedRightsTests {
  /// 2.4, last row: with NXE of the host off, fetches show in no code, and bit 63 is reserved at every level.
  func testNPTWithoutNoExecuteOfTheHost() throws {
    let npt = ["nested.format": "npt", "nested.host-nx": "off"]
    var bench = try NestedBench(npt)
    bench.set(bench.nested(0x20) | 1 << 50, for: 0x20)
    XCTAssertEqual(bench.outcome(.fetch), "npf 10000000d at 20", "a reserved bit, met by the page alone")
    bench = try NestedBench(npt)
    bench.set(0, for: 0x20)
    XCTAssertEqual(bench.outcome(.fetch), "npf 100000004 at 20")
    for kind in Self.kinds {
      bench = try NestedBench(npt)
      bench.set(bench.nested(0x20) | 1 << 63, for: 0x20)
      let code = kind == .store ? "10000000f" : "10000000d"
      XCTAssertEqual(bench.outcome(kind), "npf \(code) at 20")
    }
    for level in 2...4 {
      bench = try NestedBench(npt)
      bench.set(bench.nested(0x10, level: level) | 1 << 63, for: 0x10, level: level)
      XCTAssertEqual(bench.outcome(.load), "npf 20000000f at 10", "level \(level)")
    }
    // The guest's own NXE makes no difference to nested NX, neither way.
    bench = try NestedBench(["nested.format": "npt"])
    bench.cpu.registers.efer &= ~EFER.noExecute
    bench.cpu.guestControls = bench.machine.controls(for: bench.cpu.registers)
    bench.grant([.read, .write], to: 0x20)
    XCTAssertEqual(bench.outcome(.fetch), "npf 100000015 at 20")
  }

  /// 2.4: a right that lacks at any nested level lacks, for the page and for each of the guest's tables.
  func testNPTRightsOfEveryLevel() throws {
    let npt = ["nested.format": "npt"]
    for level in 1...4 {
      for (rights, expected) in [
        ([.read, .execute, .executeUser], ["ok", "npf 100000007", "ok"]),
        ([.read, .write], ["ok", "ok", "npf 100000015"]),
        ([.read], ["ok", "npf 100000007", "npf 100000015"]),
        ([], ["npf 100000005", "npf 100000007", "npf 100000015"]),
      ] as [(NestedRights, [String])] {
        for (kind, result) in zip(Self.kinds, expected) {
          var bench = try NestedBench(npt)
          bench.moveDataAway(level)
          bench.grant(rights, to: bench.dataPage, level: level)
          let wanted = result == "ok" ? "ok" : result + " at " + String(bench.dataPage, radix: 16)
          XCTAssertEqual(bench.outcome(kind), wanted, "level \(level), \(kind)")
        }
      }
      for kind in Self.kinds {
        let page = NestedBench.table(level)
        for (rights, code) in [([.read, .execute], "200000007"), ([.write, .execute], "200000007")]
          as [(NestedRights, String)]
        {
          var bench = try NestedBench(npt)
          bench.grant(rights, to: page)
          XCTAssertEqual(
            bench.outcome(kind), "npf \(code) at " + String(page, radix: 16), "a table, whatever the access")
        }
        var bench = try NestedBench(npt)
        bench.grant([.read, .write], to: page)
        XCTAssertEqual(bench.outcome(kind), "ok", "NX means nothing to a table")
        bench.set(0, for: page)
        XCTAssertEqual(bench.outcome(kind), "npf 200000006 at " + String(page, radix: 16))
      }
    }
  }

  /// 2.4, every row; the host has NXE on.
  func testNPTCodes() throws {
    let npt = ["nested.format": "npt"]
    var bench = try NestedBench(npt)
    bench.set(0, for: 0x20)
    XCTAssertEqual(bench.outcome(.load), "npf 100000004 at 20")
    bench = try NestedBench(npt)
    bench.grant([], to: 0x20)
    XCTAssertEqual(bench.outcome(.load, user: false), "npf 100000005 at 20", "always as a user")
    bench = try NestedBench(npt)
    bench.grant([.read, .execute], to: 0x20)
    XCTAssertEqual(bench.outcome(.store), "npf 100000007 at 20")
    XCTAssertEqual(bench.outcome(.load), "ok")
    bench = try NestedBench(npt)
    bench.grant([.read, .write], to: 0x20)
    XCTAssertEqual(bench.outcome(.fetch), "npf 100000015 at 20")
    bench = try NestedBench(npt)
    bench.grant([.read, .execute], to: 0x10)
    XCTAssertEqual(bench.outcome(.load), "npf 200000007 at 10", "the page of CR3")
    bench = try NestedBench(npt)
    bench.set(bench.nested(0x10, level: 3) | 1 << 50, for: 0x10, level: 3)
    XCTAssertEqual(bench.outcome(.load), "npf 20000000f at 10", "a reserved bit, met by the guest's walk")
    bench = try NestedBench(npt)
    bench.set(bench.nested(0x20) | 1 << 50, for: 0x20)
    XCTAssertEqual(bench.outcome(.fetch), "npf 10000001d at 20", "a reserved bit, met by the page alone")
    XCTAssertEqual(bench.outcome(.load), "npf 10000000d at 20")
  }
}
