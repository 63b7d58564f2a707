import Paging
import XCTest

@testable import Machine

/// The cases of the `case-…` scenarios of `traces/`, by their numbers.
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
}
