import Paging
import XCTest

@testable import Machine

/// The walker's own accesses to the guest's tables, and the bits that it sets.
extension NestedRightsTests {
  /// 2.2, A and D of EPT off: an entry of the guest's is read; to set its A or D it is written.
  func testGuestTablesUnderEPTWithoutAccessedAndDirty() throws {
    for level in 1...4 {
      let page = NestedBench.table(level)
      var bench = try NestedBench([:])
      bench.grant(.read, to: page)
      XCTAssertEqual(bench.outcome(.store), "ok", "A and D are set already")
      for rights in [NestedRights.read, [.read, .execute]] {
        bench = try NestedBench([:], accessed: false)
        bench.grant(rights, to: page)
        let code = String(0x83 | UInt64(rights.rawValue) << 3, radix: 16)
        XCTAssertEqual(bench.outcome(.load), "ept-violation \(code) at " + String(page, radix: 16))
        XCTAssertFalse(bench.guest(4).isAccessed, "a walk that fails sets nothing")
      }
      // To set A or D the entry is read and written: each lack of either is told, whatever the access is.
      for kind in Self.kinds {
        bench = try NestedBench([:], accessed: false)
        bench.grant([.read, .write], to: page)
        XCTAssertEqual(bench.outcome(kind), "ok", "X means nothing to a table")
      }
      for kind in Self.kinds {
        bench = try NestedBench([:])
        bench.grant([], to: page)
        XCTAssertEqual(bench.outcome(kind), "ept-violation 81 at " + String(page, radix: 16))
      }
    }
  }

  /// 2.2, A and D of EPT on: every access to the guest's tables is a write.
  func testGuestTablesUnderEPTWithAccessedAndDirty() throws {
    for level in 1...4 {
      let page = NestedBench.table(level)
      for accessed in [true, false] {
        for (rights, code) in [(NestedRights.read, "8b"), ([.read, .execute], "ab"), ([], "83")] {
          var bench = try NestedBench(["nested.ad": "on"], accessed: accessed)
          bench.grant(rights, to: page)
          for kind in Self.kinds {
            XCTAssertEqual(bench.outcome(kind), "ept-violation \(code) at " + String(page, radix: 16))
          }
        }
        var bench = try NestedBench(["nested.ad": "on"], accessed: accessed)
        bench.grant([.read, .write], to: page)
        XCTAssertEqual(bench.outcome(.load), "ok")
      }
    }
  }

  /// A in every nested entry used; D in the leaves of guest tables always, of a data page after a store only.
  func testNestedAccessedAndDirtyBits() throws {
    for format in ["ept", "npt"] {
      let (a, d): (UInt64, UInt64) = format == "ept" ? (0x100, 0x200) : (0x20, 0x40)
      for kind in Self.kinds {
        var bench = try NestedBench(["nested.format": format, "nested.ad": "on"])
        XCTAssertEqual(bench.outcome(kind), "ok")
        for page in [0x10, 0x11, 0x12, 0x13, 0x20] as [UInt64] {
          XCTAssertEqual(bench.nested(page) & a, a)
          XCTAssertEqual(bench.nested(page) & d != 0, page != 0x20 || kind == .store, "\(format) \(page) \(kind)")
        }
        for level in 2...4 { XCTAssertEqual(bench.nested(0x20, level: level) & (a | d), a) }
        XCTAssertEqual(bench.nested(0x21) & (a | d), 0)
      }
    }
    var bench = try NestedBench([:])
    XCTAssertEqual(bench.outcome(.store), "ok")
    XCTAssertEqual(bench.nested(0x20) & 0x300, 0, "off")
  }
}
