import Paging
import XCTest

@testable import Machine

/// Cases of stores to page tables that a text trace cannot show in every mode, with the counts that they must give: the
/// others are `traces/case-….txt`. The list of all is in `traces/README.md`.
final class TableStoreCasesTests: XCTestCase {
  private static let used: EntryFlags = [.present, .writable, .user, .accessed, .dirty]

  private func run(_ guest: Guest, _ mode: Mode, _ keys: [String] = []) throws -> Outcome {
    var settings = Settings()
    for key in keys {
      let parts = key.split(separator: "=").map(String.init)
      XCTAssertNil(settings.set(parts[0], to: parts[1]), key)
    }
    let outcome = try guest.run(mode, on: .roomy, settings, batch: 1)
    XCTAssertEqual(outcome.divergences, [], "\(mode) \(keys)")
    return outcome
  }

  /// Case 6, which Xen refuses: the table at the top is its own entry 510. A page is moved through that window, and the
  /// window is made read-only through itself: one store that four shadows of one table must see.
  func testSelfMap() throws {
    var guest = Guest()
    guest.map(0x10000, to: 0x30_0000, Self.used)
    guest.set(guest.root | 0x63, at: guest.root | 510 << 3)
    let entry = guest.entry(0x10000)
    guest.boot()
    guest.write(0x10000)
    guest.store(0x31_0067, at: entry, va: 0xffff_ff00_0000_0080)
    guest.invlpg(0x10000)
    guest.write(0x10000)
    guest.store(guest.root | 0x61, at: guest.root | 510 << 3, va: 0xffff_ff7f_bfdf_eff0)
    guest.cr3(guest.root)
    guest.read(0xffff_ff00_0000_0080, user: false)
    guest.write(0xffff_ff00_0000_0080, user: false)
    guest.write(0x10000)
    for mode in [Mode.native, .emulatedTLB, .shadow, .nested] {
      XCTAssertEqual(try run(guest, mode).faults.map(\.code), [3], "\(mode)")
    }
    let shadow = try run(guest, .shadow).counters
    XCTAssertEqual([shadow.hiddenFill, shadow.hiddenTrace, shadow.shadowPagesMade], [3, 2, 9])
    XCTAssertEqual((1...5).map { shadow.traceFaultsByLevel[$0] }, [1, 0, 0, 1, 0])
    XCTAssertEqual(try run(guest, .emulatedTLB).counters.hiddenFaults, 6)
  }

  /// A guest whose level-1 table, with one page of it in use, is mapped at 200000 too.
  private var aliased: (guest: Guest, table: UInt64) {
    var guest = Guest()
    guest.map(0x10000, to: 0x30_0000, Self.used)
    let table = guest.entry(0x10000) & ~0xfff
    guest.map(0x20_0000, to: table, Self.used)
    guest.boot()
    guest.read(0x10000)
    return (guest, table)
  }

  /// Case 12: PUSH and CALL with the stack pointer in a table page. The trace has no value for them, as an ordinary
  /// store's: the page is taken for data at the first, which is the only one to fault.
  func testPushesOntoATable() throws {
    var guest = aliased.guest
    for slot: UInt64 in 1...8 { guest.write(0x20_1000 - 8 * slot, user: false) }
    guest.invlpg(0x10000)
    guest.read(0x10000)
    let shadow = try run(guest, .shadow).counters
    XCTAssertEqual([shadow.hiddenTrace, shadow.shadowPagesRecycled], [1, 1])
    // It is a table all the same: the read that follows finds it again.
    XCTAssertEqual([shadow.causeTable, shadow.causeUpgrade], [2, 0])
    XCTAssertEqual(try run(guest, .emulatedTLB).counters.hiddenFaults, 3)
  }

  /// Case 12: REP MOVS over a whole table page, 512 entries one by one.
  func testAStringStoreOverATable() throws {
    var (guest, table) = aliased
    for index: UInt64 in 0..<512 {
      guest.store(0x40_0067 + index << 12, at: table + index * 8, va: 0x20_0000 + index * 8)
    }
    guest.cr3(guest.root)
    guest.read(0x10000)
    guest.read(0x1f_f000)
    let faults = ["invalidate": 512, "update": 512, "unsync": 1] as [String: UInt64]
    for (design, count) in faults.sorted(by: { $0.key < $1.key }) {
      let counters = try run(guest, .shadow, ["shadow.store=\(design)"]).counters
      XCTAssertEqual(counters.hiddenTrace, count, design)
      XCTAssertEqual(counters.hiddenFill, design == "update" ? 1 : 3, design)
    }
    // No sign that the page is no table: nothing is 0, and flood is for upper tables.
    XCTAssertEqual(try run(guest, .shadow, ["shadow.unshadow=all"]).counters.hiddenTrace, 512)
    XCTAssertEqual(try run(guest, .emulatedTLB).counters.hiddenFill, 4)
  }

  /// Case 12, a string store of bytes: each eighth of an entry is a store of its own, unless a misaligned store is taken
  /// for the end of a table.
  func testAStringStoreOfBytes() throws {
    var (guest, table) = aliased
    for byte: UInt64 in 0..<64 {
      guest.store(0, at: table + byte & ~7, va: 0x20_0000 + byte, size: 1)
    }
    XCTAssertEqual(try run(guest, .shadow).counters.hiddenTrace, 64)
    XCTAssertEqual(try run(guest, .shadow, ["shadow.unshadow=misaligned"]).counters.hiddenTrace, 1)
    XCTAssertEqual(try run(guest, .shadow, ["shadow.store=unsync"]).counters.hiddenTrace, 1)
  }
}
