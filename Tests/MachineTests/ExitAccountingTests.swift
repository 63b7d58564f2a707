import Paging
import XCTest

@testable import Machine

/// Which entry into the hypervisor counts as what, and what it costs.
final class ExitAccountingTests: XCTestCase {
  private let va: UInt64 = 0x40_0000
  private let window: UInt64 = 0x7f_0000_0000
  private let clean = EntryFlags.readWriteUser
  private let used: EntryFlags = [.present, .writable, .user, .accessed, .dirty]

  /// `va` to a page with A and D set, `window` to the level-1 table that maps `va`.
  private func guest(_ flags: EntryFlags? = nil) -> (guest: Guest, entry: UInt64, alias: UInt64) {
    var guest = Guest()
    guest.map(va, to: 0x5000, flags ?? used)
    let entry = guest.entry(va)
    guest.map(window, to: entry & ~0xfff, used)
    guest.boot()
    return (guest, entry, window | entry & 0xfff)
  }

  /// Rule 12: what was missing names the class: nothing there, D clear, a trace.
  func testClassesOfHiddenFaults() throws {
    var (guest, entry, alias) = guest(clean)
    guest.read(va)
    guest.write(va)
    guest.write(va)
    for mode in [Mode.emulatedTLB, .shadow] {
      let outcome = try guest.run(mode)
      XCTAssertEqual(outcome.hidden, ["fill", "dirty"], "\(mode)")
      XCTAssertEqual(outcome.faults, [], "\(mode)")
    }
    // The table is traced since the read: a store to it that has no leaf yet is one fault, of class trace, and the leaf
    // is there afterwards: a load through it is none.
    guest.store(0x5067, at: entry, va: alias)
    guest.read(alias)
    XCTAssertEqual(try guest.run(.shadow).hidden, ["fill", "dirty", "trace"])
    // The emulated TLB traces nothing: an ordinary fill.
    XCTAssertEqual(try guest.run(.emulatedTLB).hidden, ["fill", "dirty", "fill"])
    // The store dropped the shadow entry.
    guest.read(va)
    XCTAssertEqual(try guest.run(.shadow).hidden, ["fill", "dirty", "trace", "fill"])
    XCTAssertEqual(try guest.run(.emulatedTLB).hidden, ["fill", "dirty", "fill"])
  }

  /// Rule 13: exit_fault is true + hidden, or hidden alone where the guest's faults are its own; natively there are
  /// none.
  func testFaultExitsByMode() throws {
    var (guest, _, _) = guest()
    guest.read(va)
    guest.read(0x1234_5000)
    guest.read(0x1234_5000)
    let expected: [Mode: [UInt64]] = [
      .native: [2, 0, 0], .emulatedTLB: [2, 1, 3], .shadow: [2, 1, 3],
      // Five violations: four tables and the page; the faults end in tables that are mapped by then.
      .nested: [2, 5, 5], .direct: [2, 0, 2],
    ]
    for mode in Mode.allCases {
      let counters = try guest.run(mode).counters
      XCTAssertEqual([counters.trueFaults, counters.hiddenFaults, counters.exitFault], expected[mode], "\(mode)")
      XCTAssertEqual(counters.exits, counters.exitFault, "\(mode)")
    }
  }

  /// Rules 1 and 13: register loads before the first access are state; later ones are exits where they are intercepted.
  func testRegisterExits() throws {
    var (guest, _, _) = guest()
    guest.append(.loadCR0, 0x8005_0033)
    guest.append(.loadEFER, 0xd01)
    guest.cr3(guest.root)
    guest.read(va)
    let start = try Mode.allCases.map { try guest.run($0).counters }
    for counters in start {
      XCTAssertEqual([counters.exitCR3, counters.exitOther, counters.exitInvlpg], [0, 0, 0])
      XCTAssertEqual(counters.guestCR3Loads, 0)
    }
    guest.cr3(guest.root)
    guest.invlpg(va)
    guest.invlpg(1 << 60)
    guest.append(.loadCR0, 0x8004_0033)
    guest.append(.loadCR4, CR4.pae | CR4.globalPages)
    guest.append(.loadEFER, 0x501)
    // cr3, invlpg, other, hypercall: direct has new_baseptr and two invlpg_local, on top of what building does.
    let expected: [Mode: [UInt64]] = [
      .native: [0, 0, 0, 0], .emulatedTLB: [1, 2, 3, 0], .shadow: [1, 2, 3, 0], .nested: [0, 0, 0, 0],
      .direct: [0, 0, 3, 3],
    ]
    for (mode, before) in zip(Mode.allCases, start) {
      let outcome = try guest.run(mode)
      let c = outcome.counters
      XCTAssertEqual([c.exitCR3, c.exitInvlpg, c.exitOther, c.exitHypercall - before.exitHypercall], expected[mode])
      XCTAssertEqual([c.guestCR3Loads, c.guestInvlpgs], [1, 2], "\(mode)")
      XCTAssertEqual(c.hypercalls, c.exitHypercall)
      // Rule 17: an exit row for each intercepted instruction, a hypercall row for each hypercall, none for hits.
      let rows = outcome.events.filter { $0.kind == .exit }.count
      XCTAssertEqual(UInt64(rows), c.exitCR3 + c.exitInvlpg + c.exitOther, "\(mode)")
      XCTAssertEqual(UInt64(outcome.events.filter { $0.kind == .hypercall }.count), c.hypercalls, "\(mode)")
    }
  }

  /// Rule 14: the emulated TLB drops every leaf at a CR3 load, globals too unless the key says otherwise.
  func testEmulatedTLBAtCR3Loads() throws {
    var guest = Guest()
    guest.map(va, to: 0x5000, used)
    guest.map(va + 0x1000, to: 0x6000, used.union(.global))
    guest.boot(cr4: CR4.pae | CR4.globalPages)
    guest.read(va)
    guest.read(va + 0x1000)
    guest.cr3(guest.root)
    guest.read(va)
    guest.read(va + 0x1000)
    var keep = Settings()
    XCTAssertNil(keep.set("emulated-tlb.globals", to: "keep"))
    for machine in [MachineDescription(), .roomy] {
      XCTAssertEqual(try guest.run(.emulatedTLB, on: machine).counters.hiddenFill, 4)
      XCTAssertEqual(try guest.run(.emulatedTLB, on: machine, keep).counters.hiddenFill, 3)
    }
    // Cached shadows stay.
    XCTAssertEqual(try guest.run(.shadow).counters.hiddenFill, 2)
  }

  /// Rule 16: a device address is never filled, each access is one hidden fault of class other; natively and under
  /// direct paging it is an ordinary translation.
  func testDeviceMemory() throws {
    var guest = Guest()
    guest.append(.ram, 1 << 24)
    guest.map(va, to: 1 << 30, used)
    guest.map(va + 0x1000, to: 0x5000, used)
    guest.boot()
    guest.read(va + 0x1000)
    for _ in 0..<3 { guest.write(va) }
    for mode in [Mode.emulatedTLB, .shadow, .nested] {
      let counters = try guest.run(mode, on: .roomy).counters
      XCTAssertEqual([counters.hiddenOther, counters.tlbMisses], [3, 4], "\(mode)")
    }
    for mode in [Mode.native, .direct] {
      let counters = try guest.run(mode, on: .roomy).counters
      XCTAssertEqual([counters.hiddenFaults, counters.tlbMisses], [0, 2], "\(mode)")
    }
  }

  /// Rules 2 to 4: `table` counts nothing; a store without an address is no access but fires the trace; a store to a
  /// traced page without a value is one trace fault and ends the shadow.
  func testTableOperations() throws {
    var (guest, entry, alias) = guest()
    guest.read(va)
    let before = try guest.run(.shadow).counters
    // Root and the three tables below on the path that has been walked.
    XCTAssertEqual([before.shadowPages, before.tracedPagesPeak, before.hiddenFill], [4, 4, 1])
    guest.store(0x5065, at: entry)
    let unnamed = try guest.run(.shadow).counters
    XCTAssertEqual([unnamed.hiddenTrace, unnamed.stores, unnamed.guestTableStores], [1, 0, 1])
    XCTAssertEqual([unnamed.translations, unnamed.shadowPages], [before.translations, 4])
    // Now a byte without value, through the window, which shares the level-3 table: its level-2 and level-1 tables get
    // shadows, the level-1 table of `va` loses its own: 4 + 2 − 1.
    guest.write(alias, size: 1)
    let valueless = try guest.run(.shadow).counters
    XCTAssertEqual([valueless.hiddenTrace, valueless.shadowPages], [2, 5])
    // Ordinary memory from now on.
    guest.write(alias, size: 1)
    XCTAssertEqual(try guest.run(.shadow).counters.hiddenFaults, valueless.hiddenFaults)
    for mode in Mode.allCases {
      var (guest, entry, _) = self.guest()
      guest.read(va)
      let before = try guest.run(mode).counters
      guest.announce(entry & ~0xfff)
      var after = try guest.run(mode).counters
      after.operations = before.operations
      (after.shadowPages, after.bloat) = (before.shadowPages, before.bloat)
      XCTAssertEqual(after, before, "\(mode)")
    }
  }

  /// Rules 7 and 21: a page-table store is a store and, but for direct paging, a translation; a crossing access is two.
  func testTranslations() throws {
    for mode in Mode.allCases {
      var (guest, entry, alias) = guest()
      guest.read(va + 0xff8, size: 8)
      guest.read(va + 0xffc, size: 8)
      guest.store(0x5067, at: entry, va: alias)
      let c = try guest.run(mode).counters
      XCTAssertEqual([c.loads, c.stores, c.guestTableStores], [2, 1, 1])
      // 1 + 2, and the store's one. The crossing load's second page is not mapped: one true fault.
      XCTAssertEqual(c.translations, mode == .direct ? 3 : 4, "\(mode)")
      XCTAssertEqual([c.trueFaults, c.mmuUpdates], [1, mode == .direct ? 1 : 0])
    }
  }
}
