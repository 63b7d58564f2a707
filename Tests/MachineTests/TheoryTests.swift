import Paging
import XCTest

@testable import Machine

/// Walks without caches against closed forms.
final class TheoryTests: XCTestCase {
  private let va: UInt64 = 0x80_4060_5000

  private func mapped(_ size: PageSize, levels: Int = 4) -> Guest {
    var guest = Guest(levels: levels)
    guest.append(.ram, 1 << 30)
    guest.map(va, to: size == .small ? 0x5000 : 0, size: size)
    return guest
  }

  /// One reference a level, down to the leaf's: 4, 3, 2 with four levels, one more with five.
  func testColdNativeWalkReadsOneEntryALevel() throws {
    for (levels, size, expected) in [
      (4, PageSize.small, 4), (4, .large, 3), (4, .huge, 2), (5, .small, 5), (5, .large, 4), (5, .huge, 3),
    ] as [(Int, PageSize, UInt64)] {
      var guest = mapped(size, levels: levels)
      guest.boot()
      guest.read(va)
      let counters = try guest.run(.native, on: .bareFiveLevels).counters
      XCTAssertEqual(counters.walkReferences, expected, "\(levels) levels, \(size.name)")
      XCTAssertEqual(counters.walkReferencesGuest, expected)
      XCTAssertEqual([counters.walks, counters.tlbMisses, counters.translations], [1, 1, 1])
    }
  }

  /// refs = (g + 1)(h + 1) − 1 with h = 4 and g the guest's levels read: 24, 19, 14 and, with five levels, 29.
  func testColdNestedWalkWithACompleteTable() throws {
    var settings = Settings()
    settings.isNestedTableEager = true
    for (levels, size, expected) in [
      (4, PageSize.small, 24), (4, .large, 19), (4, .huge, 14), (5, .small, 29), (5, .large, 24), (5, .huge, 19),
    ] as [(Int, PageSize, UInt64)] {
      var guest = mapped(size, levels: levels)
      guest.boot()
      guest.read(va)
      let counters = try guest.run(.nested, on: .bareFiveLevels, settings).counters
      XCTAssertEqual(counters.walkReferences, expected, "\(levels) levels, \(size.name)")
      // The guest's own part of it: one a level.
      XCTAssertEqual(counters.walkReferencesGuest, UInt64(levels + 1 - size.level))
      XCTAssertEqual(counters.walkReferencesNested, expected - counters.walkReferencesGuest)
      XCTAssertEqual([counters.hiddenFaults, counters.exits, counters.walks], [0, 0, 1])
    }
  }

  /// A guest entry that is absent at level k ends the walk: refs = Σ_{j=k..g}(h + 1), no final translation; natively
  /// g − k + 1. Rights are refused after the leaf: again without the final translation.
  func testWalksThatEndInAFault() throws {
    var eager = Settings()
    eager.isNestedTableEager = true
    for level in 1...4 {
      var guest = mapped(.small)
      guest.set(0, at: guest.entry(va, level: level))
      guest.boot()
      guest.read(va)
      let depth = UInt64(4 - level + 1)
      XCTAssertEqual(try guest.run(.native).counters.walkReferences, depth)
      XCTAssertEqual(try guest.run(.nested, on: MachineDescription(), eager).counters.walkReferences, depth * 5)
    }
    var guest = mapped(.small)
    guest.set(0x5000 | EntryFlags.readUser.rawValue, at: guest.entry(va))
    guest.boot()
    guest.write(va)
    let nested = try guest.run(.nested, on: MachineDescription(), eager)
    XCTAssertEqual(nested.counters.walkReferences, 20)
    XCTAssertEqual(nested.faults, [Fault(operation: guest.next - 1, va: va, code: 7)])
  }

  /// A lazily filled nested table: one violation a table page and one for the page, each after the references up to it.
  /// The root's translation fails after 1 reference (empty table), then each table of the guest's in turn.
  func testLazyNestedFillTakesOneViolationAPage() throws {
    var guest = mapped(.small)
    guest.boot()
    guest.read(va)
    guest.read(va)
    let counters = try guest.run(.nested).counters
    // Five pages: four tables and the data.
    XCTAssertEqual(counters.hiddenFill, 5)
    XCTAssertEqual([counters.exits, counters.exitFault], [5, 5])
    // Six walks for the first access, one for the second.
    XCTAssertEqual(counters.walks, 7)
    // All pages share the upper nested tables. Walk i (1 to 5) fails at its i-th translation: at the root with 1
    // reference, later at the last of 4, since the tables above are there; before it i − 1 translations of 4 and as
    // many guest entries. Then two complete walks of 24.
    XCTAssertEqual(counters.walkReferences, 1 + (5 + 4) + (10 + 4) + (15 + 4) + (20 + 4) + 24 + 24)
  }

  func testSecondAccessHitsTheTLB() throws {
    for mode in Mode.allCases {
      var guest = mapped(.small)
      guest.boot()
      guest.write(va)
      let first = try guest.run(mode, on: .roomy).counters
      guest.write(va + 8)
      guest.read(va + 16)
      let both = try guest.run(mode, on: .roomy).counters
      XCTAssertEqual(both.walkReferences, first.walkReferences, "\(mode)")
      XCTAssertEqual(both.tlbL1Hits, 2, "\(mode)")
      XCTAssertEqual(both.walks, first.walks)
    }
  }

  /// A PDE-cache hit leaves one guest entry and the final translation: 1 + 4, the caches holding machine addresses; natively 1.
  func testPagingStructureCacheShortensTheNextWalk() throws {
    var eager = Settings()
    eager.isNestedTableEager = true
    var guest = mapped(.small)
    guest.map(va + 0x1000, to: 0x6000)
    guest.boot()
    guest.read(va)
    guest.read(va + 0x1000)
    XCTAssertEqual(try guest.run(.native, on: .roomy).counters.walkReferences, 4 + 1)
    XCTAssertEqual(try guest.run(.nested, on: .roomy, eager).counters.walkReferences, 24 + 5)
    // Only a PML4E cache: the walk starts at level 3.
    var machine = MachineDescription()
    machine.pagingStructureCaches = [4: 1]
    XCTAssertEqual(try guest.run(.native, on: machine).counters.walkReferences, 4 + 3)
  }

  /// Shadow and emulated TLB: a true fault first (P = 0), then, once the guest has mapped the page, one hidden fill,
  /// then nothing more.
  func testOneTrueFaultOneFillThenSilence() throws {
    for mode in [Mode.emulatedTLB, .shadow] {
      var guest = mapped(.small)
      let entry = guest.entry(va)
      guest.set(0, at: entry)
      guest.boot()
      guest.read(va)
      // A and D set, so that no later fault is for them.
      guest.store(0x5067, at: entry)
      guest.read(va)
      guest.write(va)
      guest.read(va)
      let outcome = try guest.run(mode)
      XCTAssertEqual(outcome.faults, [Fault(operation: guest.next - 5, va: va, code: 4)], "\(mode)")
      XCTAssertEqual(outcome.hidden, ["fill"], "\(mode)")
      // The walk that failed, the failed and the repeated walk of the fill, and one for each further access (no TLB).
      XCTAssertEqual(outcome.counters.walks, 1 + 2 + 2)
    }
  }
}
