import Paging
import XCTest

@testable import Machine

/// What becomes of table pages: reused, freed, shared, recursive (the `case-…` scenarios of `traces/`, 4 to 6, and more).
final class TableScenarioTests: XCTestCase {
  private let va: UInt64 = 0x40_0000
  private let used: EntryFlags = [.present, .writable, .user, .accessed, .dirty]
  private let translated: [Mode] = [.native, .emulatedTLB, .shadow, .nested]

  private func faults(_ guest: Guest, _ mode: Mode, on machine: MachineDescription = .roomy) throws -> [UInt32?] {
    let outcome = try guest.run(mode, on: machine)
    XCTAssertEqual(outcome.divergences, [], "\(mode)")
    return outcome.faults.map(\.code)
  }

  /// 4. A table page is freed and becomes data: stores succeed, and trace exits are bounded; then it is a table again.
  func testTablePageReusedAsData() throws {
    var guest = Guest()
    guest.map(va, to: 0x5000, used)
    let entry = guest.entry(va)
    let link = guest.entry(va, level: 2)
    let linked = guest.words[link, default: 0]
    guest.map(0x7f_0000_0000, to: entry & ~0xfff, used)
    guest.boot()
    guest.read(va)
    guest.store(0, at: link)
    guest.invlpg(va)
    guest.append(.tableGone, entry & ~0xfff, size: 1)
    for offset in 0..<64 as Range<UInt64> { guest.write(0x7f_0000_0000 + offset * 8) }
    guest.set(0x6000 | used.rawValue, at: entry)
    guest.announce(entry & ~0xfff)
    guest.store(linked, at: link)
    guest.write(va)
    for mode in Mode.allCases {
      XCTAssertEqual(try faults(guest, mode), [], "\(mode)")
      XCTAssertEqual(try guest.run(mode, on: .roomy).tables[entry].map { $0 & ~0x60 }, 0x6007, "\(mode)")
    }
    // The first store ends the trace; the other two trace exits are the unnamed stores to the level-2 table.
    XCTAssertEqual(try guest.run(.shadow, on: .roomy).counters.hiddenTrace, 3)
  }

  /// Contents that are announced right behind a store to the same table are newer than it, also under direct paging,
  /// which holds stores back until the tables behind them are known.
  func testContentsBehindAStoreToTheSameTable() throws {
    var guest = Guest()
    guest.map(va, to: 0x5000, used)
    let entry = guest.entry(va)
    guest.boot()
    guest.read(va)
    guest.store(0x6067, at: entry)
    guest.set(0x7067, at: entry)
    guest.announce(entry & ~0xfff)
    guest.invlpg(va)
    guest.read(va)
    for mode in Mode.allCases {
      XCTAssertEqual(try faults(guest, mode), [], "\(mode)")
      XCTAssertEqual(try guest.run(mode).tables[entry], 0x7067, "\(mode)")
    }
  }

  /// New contents of a table that is in use may lead to a table whose contents came just before.
  func testContentsOfATableInUseLeadToAnnouncedOnes() throws {
    var guest = Guest()
    guest.map(va, to: 0x5000, used)
    let entry = guest.entry(va)
    let link = guest.entry(va, level: 2)
    let second = guest.addTable(level: 1)
    guest.boot()
    guest.read(va)
    guest.set(0x6067, at: second | entry & 0xfff)
    guest.announce(second)
    guest.set(second | 7, at: link)
    guest.announce(link & ~0xfff)
    guest.invlpg(va)
    guest.read(va)
    for mode in Mode.allCases {
      XCTAssertEqual(try faults(guest, mode), [], "\(mode)")
      XCTAssertEqual(try guest.run(mode).tables[link].map { $0 & ~0x60 }, second | 7, "\(mode)")
    }
  }

  /// 5. One level-1 table under two parents with different rights: neither has the other's.
  func testOneTableUnderTwoParents() throws {
    var guest = Guest()
    guest.map(va, to: 0x5000, used)
    guest.map(va + 0x20_0000, to: 0)
    guest.map(va + 0x40_0000, to: 0)
    let table = guest.entry(va) & ~0xfff
    guest.set(table | 5, at: guest.entry(va + 0x20_0000, level: 2))
    guest.set(table | 3, at: guest.entry(va + 0x40_0000, level: 2))
    guest.boot()
    for parent in [0, 0x20_0000, 0x40_0000] as [UInt64] {
      guest.read(va + parent, user: false)
      guest.read(va + parent)
      guest.write(va + parent)
      guest.write(va + parent, user: false)
    }
    // Under 5: both stores refused. Under 3: both user accesses.
    for mode in Mode.allCases { XCTAssertEqual(try faults(guest, mode), [7, 3, 5, 7], "\(mode)") }
  }

  /// 6. A recursive entry: the mapping of a table's page is changed through that table itself.
  func testRecursiveMapping() throws {
    for machine in [MachineDescription(), .roomy] {
      var guest = Guest()
      guest.map(va, to: 0x5000, used)
      guest.set(guest.root | 0x63, at: guest.root | 510 << 3)
      let window = { (address: UInt64) in 0xffff_ff00_0000_0000 | address >> 9 & 0x7f_ffff_fff8 }
      let entry = guest.entry(va)
      guest.boot()
      guest.write(va)
      guest.store(0x6067, at: entry, va: window(va))
      guest.invlpg(va)
      guest.write(va)
      // The root through itself, twice deep: its own entry made read-only through itself.
      let own = guest.root | 510 << 3
      guest.store(guest.root | 0x61, at: own, va: window(window(window(window(va)))) & ~0xfff | 510 << 3)
      guest.cr3(guest.root)
      guest.read(window(va), user: false)
      guest.write(window(va), user: false)
      for mode in translated { XCTAssertEqual(try faults(guest, mode, on: machine), [3], "\(mode)") }
    }
  }

  /// A page becomes a table while a CPU's TLB holds the right to write it, though no shadow leaf does any more: the
  /// guest has touched the leaf's entry in a way that needs no flush (SDM 3A 4.10.4.3).
  func testTraceOfAPageWhoseLeafWasDropped() throws {
    let window: UInt64 = 0x7f_0000_0000
    for isFlagChange in [true, false] {
      var guest = Guest()
      guest.map(va, to: 0x5000, used)
      let link = guest.entry(va, level: 2)
      let table = guest.entry(va) & ~0xfff
      let linked = guest.words[link, default: 0]
      guest.set(0, at: link)
      guest.map(window, to: table, used)
      guest.map(window + 0x20_0000, to: guest.entry(window) & ~0xfff, used)
      guest.boot()
      guest.write(window + 8)
      // A software bit of the window's own entry; or the window's table as such, stored to without a value.
      if isFlagChange {
        guest.store(table | used.rawValue | 0x200, at: guest.entry(window))
      } else {
        guest.write(window + 0x20_0000)
      }
      guest.store(linked, at: link)
      guest.read(va)
      guest.store(0, at: guest.entry(va), va: window | guest.entry(va) & 0xfff)
      guest.invlpg(va)
      guest.read(va)
      for mode in translated { XCTAssertEqual(try faults(guest, mode), [4], "\(mode)") }
    }
  }
}
