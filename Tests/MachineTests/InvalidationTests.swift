import Paging
import XCTest

@testable import Machine

/// What each operation invalidates (SDM 3A 4.10.4), cell by cell: after an entry has been cleared in memory without a flush, an access
/// still hits if the operation keeps the cached translation, and faults if it must drop it. The machine drops nothing
/// that it need not (its own rule), so both directions are exact.
final class InvalidationTests: XCTestCase {
  private let va: UInt64 = 0x40_0000
  private let other: UInt64 = 0x40_1000
  private let cr4 = CR4.pae | CR4.pcid | CR4.globalPages

  /// What is cached before the operation, seen from the CPU's then current PCID.
  private enum Cached: CaseIterable { case local, otherPCID, global, structure, structureOfOtherPCID }

  /// Current PCID 1, another root under PCID 2; both map the same tables below.
  private func survives(_ cached: Cached, changing operation: (inout Guest) -> Void) throws -> Bool {
    var guest = Guest()
    guest.map(va, to: 0x5000, cached == .global ? [.present, .writable, .user, .global] : .readWriteUser)
    guest.map(other, to: 0x6000)
    let second = guest.addRoot()
    guest.set(guest.words[guest.entry(va, level: 4), default: 0], at: guest.entry(va, level: 4, root: second))
    let isStructure = cached == .structure || cached == .structureOfOtherPCID
    let isOther = cached == .otherPCID || cached == .structureOfOtherPCID
    guest.boot(cr4: cr4)
    guest.cr3((isOther ? second : guest.root) | (isOther ? 2 : 1))
    guest.read(isStructure ? other : va)
    if isOther { guest.cr3(guest.root | 1 | CR3.noFlush) }
    // The tables change and nobody says so: a leaf, or the PDE above it.
    if isStructure {
      guest.store(0, at: guest.entry(va, level: 2))
    } else {
      guest.store(0, at: guest.entry(va))
    }
    operation(&guest)
    if isOther { guest.cr3(second | 2 | CR3.noFlush) }
    guest.read(va)
    let outcome = try guest.run(.native, on: .roomy)
    XCTAssertEqual(outcome.divergences, [])
    return outcome.faults.isEmpty
  }

  private func check(
    _ name: String, survive expected: Set<Cached>, _ operation: (inout Guest) -> Void, line: UInt = #line
  ) throws {
    for cached in Cached.allCases {
      XCTAssertEqual(
        try survives(cached, changing: operation), expected.contains(cached), "\(name): \(cached)", line: line)
    }
  }

  func testEveryOperationDropsWhatItMustAndKeepsTheRest() throws {
    let root: UInt64 = 0x10_0000
    try check("nothing", survive: Set(Cached.allCases)) { _ in }
    try check("invlpg", survive: [.otherPCID, .structureOfOtherPCID]) { $0.invlpg(self.va) }
    // Another page: its own entries stay, but paging-structure entries of the PCID go, whatever the address.
    try check("invlpg elsewhere", survive: [.local, .otherPCID, .global, .structureOfOtherPCID]) {
      $0.invlpg(0x7f_0000_0000)
    }
    try check("invlpg not canonical", survive: Set(Cached.allCases)) { $0.invlpg(1 << 60) }
    try check("cr3", survive: [.otherPCID, .global, .structureOfOtherPCID]) { $0.cr3(root | 1) }
    try check("cr3 with bit 63", survive: Set(Cached.allCases)) { $0.cr3(root | 1 | CR3.noFlush) }
    // Flushes the new PCID, not the one left; a third is touched by neither.
    try check("cr3 to another", survive: Set(Cached.allCases)) {
      $0.cr3(root | 3)
      $0.cr3(root | 1 | CR3.noFlush)
    }
    try check("invpcid 0, own", survive: [.otherPCID, .global, .structureOfOtherPCID]) {
      $0.invpcid(0, pcid: 1, va: self.va)
    }
    try check("invpcid 0, other", survive: [.local, .global, .structure]) { $0.invpcid(0, pcid: 2, va: self.va) }
    try check("invpcid 1, own", survive: [.otherPCID, .global, .structureOfOtherPCID]) { $0.invpcid(1, pcid: 1) }
    try check("invpcid 1, other", survive: [.local, .global, .structure]) { $0.invpcid(1, pcid: 2) }
    try check("invpcid 2", survive: []) { $0.invpcid(2) }
    try check("invpcid 3", survive: [.global]) { $0.invpcid(3) }
    let cr4 = self.cr4
    try check("cr4.pge off and on", survive: []) {
      $0.append(.loadCR4, cr4 & ~CR4.globalPages)
      $0.append(.loadCR4, cr4)
    }
    try check("cr0.wp", survive: Set(Cached.allCases)) { $0.append(.loadCR0, 0x8004_0033) }
  }

  func testSettingSMEPFlushesTheCurrentPCID() throws {
    XCTAssertFalse(try survives(.local) { $0.append(.loadCR4, self.cr4 | CR4.smep) })
  }

  /// A #PF drops the page's entries and what its walk used, so that the retry sees memory (SDM 3A 4.10.4.1).
  func testPageFaultDropsTheEntriesOfItsPage() throws {
    var guest = Guest()
    guest.map(va, to: 0x5000, .readUser)
    guest.boot()
    guest.read(va)
    guest.write(va)
    guest.store(0, at: guest.entry(va))
    guest.read(va)
    let outcome = try guest.run(.native, on: .roomy)
    XCTAssertEqual(outcome.faults.map(\.code), [7, 4])
  }

  /// One INVLPG drops a large page whole, however the hardware holds it: splintered under shadowing, cut to the size of
  /// the nested page, or as one entry.
  func testInvlpgDropsEveryPartOfALargePage() throws {
    for (size, base) in [(PageSize.large, UInt64(0x20_0000)), (.huge, 0x4000_0000)] {
      for mode in [Mode.native, .emulatedTLB, .shadow, .nested] {
        var guest = Guest()
        guest.map(base, to: base, size: size)
        guest.boot()
        for part: UInt64 in [0, 0x1000, 0x1f_f000] { guest.write(base + part) }
        guest.store(0, at: guest.entry(base, level: size.level))
        guest.invlpg(base + 0x3000)
        for part: UInt64 in [0, 0x1000, 0x1f_f000] { guest.read(base + part) }
        let outcome = try guest.run(mode, on: .roomy)
        XCTAssertEqual(outcome.faults.map(\.code), [4, 4, 4], "\(mode) \(size.name)")
        XCTAssertEqual(outcome.divergences, [], "\(mode) \(size.name)")
      }
    }
  }

  /// The same when an entry further up goes: shadow paging then no longer finds the splinters under the address.
  func testInvlpgDropsALargePageThatWasUnlinkedFromAbove() throws {
    for mode in [Mode.native, .emulatedTLB, .shadow, .nested] {
      var guest = Guest()
      guest.map(0x20_0000, to: 0x20_0000, size: .large)
      guest.boot()
      guest.write(0x20_0000)
      guest.write(0x20_1000)
      guest.store(0, at: guest.entry(0x20_0000, level: 3))
      guest.invlpg(0x20_0000)
      guest.write(0x20_1000)
      let outcome = try guest.run(mode, on: .roomy)
      XCTAssertEqual(outcome.faults.map(\.code), [6], "\(mode)")
      XCTAssertEqual(outcome.divergences, [], "\(mode)")
    }
  }

  /// More rights need no flush at any level (SDM 3A 4.10.4.3), and no spurious fault comes of it:
  /// not even from rights that a paging-structure cache has kept.
  func testLoosenedRightsNeedNoFlushAtAnyLevel() throws {
    let writeless = EntryFlags.readUser.rawValue
    for level in 1...4 {
      for mode in Mode.allCases {
        for (before, access) in [
          (writeless, Access(AccessKind.store, user: true)), (3, Access(AccessKind.load, user: true)),
          (7 | 1 << 63, Access(AccessKind.fetch, user: true)),
        ] as [(UInt64, Access)] {
          var guest = Guest()
          guest.map(va, to: 0x5000)
          let place = guest.entry(va, level: level)
          let entry = guest.words[place, default: 0]
          guest.set(entry & ~7 | before, at: place)
          guest.boot()
          guest.read(va, user: false)
          guest.store(entry, at: place)
          guest.access(access, va)
          let outcome = try guest.run(mode, on: .roomy)
          XCTAssertEqual(outcome.faults, [], "\(mode), level \(level), \(access.description)")
        }
      }
    }
  }

  /// Legality of PCIDE and INVPCID (SDM 3A 4.10.1; SDM 2A, INVPCID): each #GP leaves the machine as it was.
  func testProtectionFaultsOfFlushOperations() throws {
    let cases: [(String, UInt64, UInt64, Bool, (inout Guest) -> Void)] = [
      ("set PCIDE with CR3[11:0]", CR4.pae, 5, true, { $0.append(.loadCR4, CR4.pae | CR4.pcid) }),
      ("set PCIDE", CR4.pae, 0, false, { $0.append(.loadCR4, CR4.pae | CR4.pcid) }),
      ("invpcid 1, PCID 1 without PCIDE", CR4.pae, 0, true, { $0.invpcid(1, pcid: 1) }),
      ("invpcid 1, PCID 0 without PCIDE", CR4.pae, 0, false, { $0.invpcid(1, pcid: 0) }),
      ("invpcid 0 not canonical", CR4.pae, 0, true, { $0.invpcid(0, pcid: 0, va: 1 << 60) }),
      ("invpcid, PCID of 13 bits", CR4.pae | CR4.pcid, 0, true, { $0.invpcid(1, pcid: 0x1000) }),
      ("invpcid 3", CR4.pae, 0, false, { $0.invpcid(3) }),
      ("invpcid 4", CR4.pae | CR4.pcid, 0, true, { $0.invpcid(4) }),
      ("CR3's bit 63 without PCIDE", CR4.pae, 0, true, { $0.cr3($0.root | CR3.noFlush) }),
      ("CR3's bit 63", CR4.pae | CR4.pcid, 0, false, { $0.cr3($0.root | CR3.noFlush) }),
      ("toggle LA57", CR4.pae, 0, true, { $0.append(.loadCR4, CR4.pae | CR4.la57) }),
    ]
    for (name, cr4, low, faults, operation) in cases {
      for mode in [Mode.native, .shadow] {
        var guest = Guest()
        guest.map(va, to: 0x5000)
        guest.boot(cr4: cr4)
        guest.cr3(guest.root | low)
        guest.read(va)
        operation(&guest)
        guest.read(va)
        let counters = try guest.run(mode, on: .roomy).counters
        XCTAssertEqual(counters.generalProtections, faults ? 1 : 0, "\(name) \(mode)")
        XCTAssertEqual(counters.trueFaults, 0, name)
      }
    }
  }
}
