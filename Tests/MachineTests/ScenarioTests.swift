import Paging
import XCTest

@testable import Machine

/// The cases of semantics.md 7.5, by their numbers there.
final class ScenarioTests: XCTestCase {
  private let va: UInt64 = 0x40_0000
  private let used: EntryFlags = [.present, .writable, .user, .accessed, .dirty]
  private let translated: [Mode] = [.native, .emulatedTLB, .shadow, .nested]

  private func faults(_ guest: Guest, _ mode: Mode, on machine: MachineDescription = .roomy) throws -> [UInt32?] {
    let outcome = try guest.run(mode, on: machine)
    XCTAssertEqual(outcome.divergences, [], "\(mode)")
    return outcome.faults.map(\.code)
  }

  /// 1. P 0 to 1 needs no flush; RW 1 to 0 may go unseen until CR3 is loaded, then the store must fault.
  func testEditsWithAndWithoutFlush() throws {
    var guest = Guest()
    guest.map(va, to: 0x5000, used)
    let entry = guest.entry(va)
    guest.set(0, at: entry)
    guest.boot()
    guest.read(va)
    guest.store(0x5067, at: entry)
    guest.write(va)
    guest.store(0x5065, at: entry)
    guest.cr3(guest.root)
    guest.write(va)
    for mode in Mode.allCases { XCTAssertEqual(try faults(guest, mode), [4, 7], "\(mode)") }
  }

  /// 2 and 3. The table of another address space is edited, directly or through an alias in this one: the other sees it
  /// after the switch that flushes.
  func testEditOfATableThatIsNotInUse() throws {
    for isAliased in [false, true] {
      var guest = Guest()
      guest.map(va, to: 0x6000, used)
      let other = guest.addRoot()
      guest.map(va, to: 0x5000, used, root: other)
      let entry = guest.entry(va, root: other)
      guest.map(0x7f_0000_0000, to: entry & ~0xfff, used)
      guest.boot()
      guest.cr3(other)
      guest.write(va)
      guest.cr3(guest.root)
      guest.write(va)
      guest.store(0, at: entry, va: isAliased ? 0x7f_0000_0000 | entry & 0xfff : nil)
      guest.write(va)
      guest.cr3(other)
      guest.write(va)
      for mode in Mode.allCases { XCTAssertEqual(try faults(guest, mode), [6], "\(mode) \(isAliased)") }
    }
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
  /// which holds stores back until the tables behind them are known (design.md §10 rule 2).
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

  /// 7. A large page gives way to a table with equal contents: nothing changes for the guest, flushed or not.
  func testLargePageReplacedByATable() throws {
    for flushes in [false, true] {
      var guest = Guest()
      guest.map(0x20_0000, to: 0x60_0000, used, size: .large)
      let table = guest.addTable(level: 1)
      for index in 0..<512 as Range<UInt64> { guest.set(0x60_0067 + index << 12, at: table | index << 3) }
      let link = guest.entry(0x20_0000, level: 2)
      guest.boot()
      guest.write(0x20_0000)
      guest.store(table | 7, at: link)
      if flushes { guest.invlpg(0x20_0000) }
      guest.write(0x20_0000)
      guest.write(0x3f_f000)
      for mode in Mode.allCases { XCTAssertEqual(try faults(guest, mode), [], "\(mode)") }
    }
  }

  /// 8 and 9. D and A are set again after the guest has cleared them and flushed; without a flush they may stay clear,
  /// but the machine without caches, and shadow paging, whose trace sees the store, set them.
  func testAccessedAndDirtyAfterClearing() throws {
    for (flushes, machine) in [(true, MachineDescription.roomy), (false, MachineDescription())] {
      for isWrite in [false, true] {
        var guest = Guest()
        guest.map(va, to: 0x5000)
        let entry = guest.entry(va)
        guest.boot()
        guest.write(va)
        guest.store(0x5007, at: entry)
        if flushes { guest.invlpg(va) }
        guest.read(va)
        if isWrite { guest.write(va) }
        for mode in Mode.allCases where flushes || mode != .emulatedTLB {
          let outcome = try guest.run(mode, on: machine)
          XCTAssertEqual(outcome.tables[entry], isWrite ? 0x5067 : 0x5027, "\(mode) \(flushes)")
        }
      }
    }
  }

  /// 10. CR0.WP flips between supervisor and user accesses of a read-only user page.
  func testWriteProtectFlips() throws {
    var guest = Guest()
    guest.map(va, to: 0x5000, .readUser)
    guest.boot()
    for wp in [1, 0, 1, 0] as [UInt64] {
      guest.append(.loadCR0, 0x8004_0033 | wp << 16)
      guest.write(va, user: false)
      guest.read(va)
      guest.write(va)
    }
    for mode in Mode.allCases { XCTAssertEqual(try faults(guest, mode), [3, 7, 7, 3, 7, 7], "\(mode)") }
  }

  /// 11. A store over a page border whose second page faults: CR2 is the start of that page, and nothing is stored.
  func testStoreOverAPageBorder() throws {
    var guest = Guest()
    guest.map(va, to: 0x5000, used)
    guest.boot()
    guest.write(va + 0xffc)
    for mode in Mode.allCases {
      let outcome = try guest.run(mode)
      XCTAssertEqual(outcome.faults, [Fault(operation: guest.next - 1, va: va + 0x1000, code: 6)], "\(mode)")
    }
    // The same as a page-table store of sixteen bytes through the last entry of a table: neither entry changes.
    var table = Guest()
    table.map(va, to: 0x5000, used)
    let page = table.entry(va) & ~0xfff
    table.map(0x7f_0000_0000, to: page, used)
    table.boot()
    table.read(va)
    table.store(0x9067, at: page | 511 << 3, va: 0x7f_0000_0ff8, size: 16)
    // Its further entry goes with it.
    table.store(0xa067, at: page, va: 0x7f_0000_1000, size: 0)
    for mode in translated {
      let outcome = try table.run(mode, checks: false)
      XCTAssertEqual(outcome.faults.map(\.va), [0x7f_0000_1000], "\(mode)")
      XCTAssertEqual(outcome.tables[page | 511 << 3], 0, "\(mode)")
      XCTAssertEqual(outcome.tables[page].map { $0 & ~0x60 }, 0x5007, "\(mode)")
    }
  }

  /// A page becomes a table while a CPU's TLB holds the right to write it, though no shadow leaf does any more: the
  /// guest has touched the leaf's entry in a way that needs no flush (1.8).
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
