import Paging
import XCTest

@testable import Machine

/// What a traced store does to the shadow, and what is filled around one.
extension ShadowTests {
  /// A process's table is edited through another's mapping while it does not run, without a flush but its CR3 load.
  func testATableIsEditedWhileItsOwnerDoesNotRun() throws {
    for design in ["invalidate", "update", "unsync"] {
      var guest = Guest()
      let other = guest.addRoot()
      for page: UInt64 in 0..<4 { guest.map(0x10000 + page << 12, to: 0x30_0000 + page << 12, Self.used, root: other) }
      let table = guest.entry(0x10000, root: other) & ~0xfff
      guest.map(0x20000, to: table, Self.used)
      guest.boot()
      guest.cr3(other)
      for page: UInt64 in 0..<4 { guest.read(0x10000 + page << 12) }
      guest.cr3(guest.root)
      for index: UInt64 in 16..<19 { guest.store(0, at: table + index * 8, va: 0x20000 + index * 8) }
      guest.cr3(other)
      for page: UInt64 in 0..<4 { guest.read(0x10000 + page << 12) }
      guest.cr3(guest.root)
      guest.store(0, at: table + 19 * 8, va: 0x20000 + 19 * 8)
      let counters = try run(guest, .shadow, ["shadow.store=\(design)"])
      XCTAssertEqual(counters.trueFaults, 3, design)
      XCTAssertEqual(counters.traceFaultsShadow, design == "unsync" ? 2 : 4, design)
      XCTAssertEqual(counters.shadowPagesUnsynced, design == "unsync" ? 2 : 0, design)
      XCTAssertEqual(counters.shadowPagesResynced, design == "unsync" ? 1 : 0, design)
    }
  }

  /// An unsync table is linked under a parent that did not have it: that needs no flush, so it must be in step.
  func testANewLinkBringsATableIntoStep() throws {
    var guest = Guest()
    guest.map(0x10000, to: 0x30_0000, Self.used)
    let table = guest.entry(0x10000) & ~0xfff
    let directory = guest.entry(0x10000, level: 2) & ~0xfff
    guest.map(0x20_0000, to: table, Self.used)
    guest.boot()
    guest.read(0x10000)
    guest.store(0x31_0067, at: table + 16 * 8, va: 0x20_0080)
    guest.store(table | 0x67, at: directory + 2 * 8)
    guest.read(0x41_0000)
    let counters = try run(guest, .shadow, ["shadow.store=unsync"])
    XCTAssertEqual(counters.shadowPagesUnsynced, 1)
    XCTAssertEqual(counters.shadowPagesResynced, 1)
    XCTAssertEqual(counters.staleHits, 0)
  }

  /// INVLPG brings one address into step; the table stays out of step and unwatched.
  func testINVLPGBringsOneAddressIntoStep() throws {
    var guest = Guest()
    for page: UInt64 in 0..<2 { guest.map(0x10000 + page << 12, to: 0x30_0000 + page << 12, Self.used) }
    let table = guest.entry(0x10000) & ~0xfff
    guest.map(0x20000, to: table, Self.used)
    guest.boot()
    for page: UInt64 in 0..<2 { guest.read(0x10000 + page << 12) }
    for index: UInt64 in 16..<18 { guest.store(0, at: table + index * 8, va: 0x20000 + index * 8) }
    guest.invlpg(0x10000)
    guest.fault(0x10000, 4)
    guest.invlpg(0x11000)
    guest.fault(0x11000, 4)
    let counters = try run(guest, .shadow, ["shadow.store=unsync"])
    XCTAssertEqual(counters.trueFaults, 2)
    XCTAssertEqual(counters.traceFaultsShadow, 1)
    XCTAssertEqual(counters.shadowPagesResynced, 0)
  }

  /// An entry moves, and is flushed, and used: an updated shadow has it.
  func testUpdateSavesTheFaultAfterAStore() throws {
    var guest = Guest()
    guest.map(0x10000, to: 0x30_0000, Self.used)
    guest.boot()
    guest.read(0x10000)
    guest.store(0x31_0067, at: guest.entry(0x10000))
    guest.invlpg(0x10000)
    guest.read(0x10000)
    XCTAssertEqual(try run(guest, .shadow, ["shadow.store=invalidate"]).hiddenFill, 2)
    let counters = try run(guest, .shadow, ["shadow.store=update"])
    XCTAssertEqual(counters.hiddenFill, 1)
    XCTAssertEqual([counters.prefetched, counters.prefetchedUsed, counters.prefetchedInVain], [1, 1, 0])
  }

  /// Eight used pages, one more whose A is clear: the first fault makes the seven others, never the one.
  func testPrefetchTakesUsedPagesOnlyAndKnowsWhatWasUsed() throws {
    var guest = Guest()
    for page: UInt64 in 0..<8 { guest.map(0x10000 + page << 12, to: 0x30_0000 + page << 12, Self.used) }
    guest.map(0x18000, to: 0x30_8000)
    guest.boot()
    for page: UInt64 in 0..<3 { guest.read(0x10000 + page << 12) }
    guest.append(.readBack, guest.entry(0x18000))
    var settings = Settings()
    XCTAssertNil(settings.set("shadow.prefetch", to: "32"))
    let outcome = try guest.run(.shadow, on: .roomy, settings, batch: 1)
    XCTAssertEqual(outcome.divergences, [])
    let counters = outcome.counters
    XCTAssertEqual(counters.hiddenFill, 1)
    XCTAssertEqual([counters.prefetched, counters.prefetchedUsed, counters.prefetchedInVain], [7, 2, 5])
    XCTAssertEqual(outcome.events.last { $0.kind == .load }?.value, 0x30_8007)
    XCTAssertEqual(try run(guest, .shadow, ["shadow.prefetch=1"]).hiddenFill, 2)
    XCTAssertEqual(try run(guest).hiddenFill, 3)
  }

  /// What is made ahead obeys what a walk would: reserved bits, and traces of reads.
  func testPrefetchLeavesOutWhatMayNotBeMapped() throws {
    var guest = Guest()
    for page: UInt64 in 0..<4 { guest.map(0x10000 + page << 12, to: 0x30_0000 + page << 12, Self.used) }
    guest.set(0x30_1067 | 1 << 50, at: guest.entry(0x11000))
    guest.boot()
    guest.read(0x10000)
    guest.fault(0x11000, 0xd)
    guest.read(0x12000)
    let counters = try run(guest, .shadow, ["shadow.prefetch=32", "trace.device=302000+1000"])
    XCTAssertEqual(counters.prefetched, 1)
    XCTAssertEqual(counters.traceFaultsDevice, 1)
    XCTAssertEqual(counters.trueFaults, 1)
  }

  /// A link whose A is clear is not made at once: A must be set by the walk that uses it.
  func testUpdateLeavesOutLinksWithoutA() throws {
    for (flags, fills) in [(UInt64(0x67), UInt64(2)), (0x47, 3)] {
      var guest = Guest()
      guest.map(0x10000, to: 0x30_0000, Self.used)
      guest.map(0x11000, to: 0x30_1000, Self.used)
      guest.boot()
      guest.read(0x10000)
      guest.read(0x11000)
      let table = guest.entry(0x10000) & ~0xfff
      guest.store(table | flags, at: (guest.entry(0x10000, level: 2) & ~0xfff) + 8)
      guest.read(0x21_0000)
      XCTAssertEqual(try run(guest, .shadow, ["shadow.store=update"]).hiddenFill, fills)
    }
  }
}
