import Paging
import XCTest

@testable import Machine

/// The caches of the nested dimension: what they spare, and what drops them (SDM 3C 29.4).
final class NestedCacheTests: XCTestCase {
  private let va: UInt64 = 0x80_4060_5000

  private func machine(tlb: Int = 0, structures: [Int: Int] = [:], guest: [Int: Int] = [:]) -> MachineDescription {
    var machine = MachineDescription()
    if tlb > 0 { machine.nestedTLB = [TLBGeometry(PageSize.allCases, sets: 1, ways: tlb)] }
    machine.nestedStructureCaches = structures
    machine.pagingStructureCaches = guest
    return machine
  }

  private func settings(_ keys: [String: String] = [:]) -> Settings {
    var settings = Settings()
    settings.isNestedTableEager = true
    for (key, value) in keys { XCTAssertNil(settings.set(key, to: value)) }
    return settings
  }

  private func guest(_ more: (inout Guest) -> Void) -> Guest {
    var guest = Guest()
    guest.append(.ram, 1 << 30)
    guest.map(va, to: 0x5000)
    guest.map(va + 0x1000, to: 0x6000)
    guest.boot()
    guest.read(va)
    more(&guest)
    return guest
  }

  private func references(
    _ guest: Guest, _ machine: MachineDescription, _ keys: [String: String] = [:]
  ) throws -> UInt64 {
    try guest.run(.nested, on: machine, settings(keys)).counters.walkReferences
  }

  /// A nested TLB that knows all pages leaves the guest's four entries.
  func testNestedTLBLeavesTheGuestsEntries() throws {
    let twice = guest { $0.read(va) }
    XCTAssertEqual(try references(twice, machine(tlb: 8)), 24 + 4)
    XCTAssertEqual(try references(twice, machine(tlb: 8), ["nested.tlb": "tables"]), 24 + 4 + 4)
    XCTAssertEqual(try references(twice, machine(tlb: 8), ["walk.cache": "guest"]), 48)
    let counters = try twice.run(.nested, on: machine(tlb: 8), settings()).counters
    XCTAssertEqual(counters.nestedTLBHits, 5)
    // With the guest's caches besides: its last entry alone.
    XCTAssertEqual(try references(twice, machine(tlb: 8, guest: [2: 4])), 24 + 1)
    XCTAssertEqual(try references(twice, machine(tlb: 8, guest: [2: 4]), ["walk.cache": "guest"]), 24 + 1 + 4)
    XCTAssertEqual(try references(twice, machine(tlb: 8, guest: [2: 4]), ["walk.cache": "none"]), 48)
  }

  /// A nested PDE cache leaves the nested leaf's entry: all pages lie in the first 2 MiB. From the first walk's second
  /// translation on, each takes one nested reference.
  func testNestedStructureCaches() throws {
    let once = guest { _ in }
    XCTAssertEqual(try references(once, machine(structures: [2: 1])), 4 + 4 + 4 * 1)
    XCTAssertEqual(try references(once, machine(structures: [3: 1])), 4 + 4 + 4 * 2)
    XCTAssertEqual(try references(once, machine(structures: [4: 1])), 4 + 4 + 4 * 3)
    XCTAssertEqual(try references(once, machine(structures: [2: 1]), ["walk.cache": "guest"]), 24)
    // Five levels: the entry of level 5.
    XCTAssertEqual(try references(once, machine(structures: [5: 1]), ["nested.levels": "5"]), 4 + 5 + 4 * 4)
    // Flattened: its upper level is 3; 2 and 4 are not there.
    XCTAssertEqual(try references(once, machine(structures: [3: 1]), ["nested.levels": "2"]), 4 + 2 + 4 * 1)
    XCTAssertEqual(try references(once, machine(structures: [2: 1, 4: 1]), ["nested.levels": "2"]), 4 + 10)
    // 2 MiB pages: level 2 is the leaf's, which goes to the nested TLB only.
    XCTAssertEqual(try references(once, machine(structures: [2: 1]), ["nested.page": "2M"]), 4 + 15)
  }

  /// With `nested.structures=tables`, the page itself is looked for from the root; nothing is remembered of that.
  func testNestedStructureCachesForTheTablesAlone() throws {
    let twice = guest { $0.read(va) }
    let keys = ["nested.structures": "tables"]
    XCTAssertEqual(try references(twice, machine(structures: [2: 1])), 12 + 9)
    XCTAssertEqual(try references(twice, machine(structures: [2: 1]), keys), 4 + 4 + 3 + 4 + 4 + 4 + 4)
  }

  /// A nested TLB without arrays for a size holds the piece that it can.
  func testTheNestedTLBHoldsPieces() {
    var caches = NestedCaches(tlb: [TLBGeometry([.small], sets: 1, ways: 4)], structures: [:])
    caches.fill(PPN(0x203), NestedTranslation(frame: MPN(0x803), size: .large, rights: .all, isDirty: true))
    XCTAssertEqual(caches.translation(PPN(0x203), for: .read)?.frame, MPN(0x803))
    XCTAssertNil(caches.translation(PPN(0x204), for: .read))
  }

  /// INVLPG, INVPCID and CR3 drop what knows virtual addresses, and nothing of the nested table.
  func testTheGuestsInvalidationsKeepGuestPhysicalMappings() throws {
    for invalidate in [
      { (guest: inout Guest) in guest.invlpg(self.va) }, { (guest: inout Guest) in guest.invpcid(2) },
      { (guest: inout Guest) in guest.invpcid(0, va: self.va) }, { (guest: inout Guest) in guest.cr3(guest.root) },
    ] {
      let twice = guest {
        invalidate(&$0)
        $0.read(va)
      }
      XCTAssertEqual(try references(twice, machine(tlb: 8)), 24 + 4)
      XCTAssertEqual(try references(twice, machine(structures: [2: 1], guest: [2: 4])), 12 + 9)
    }
  }

  /// A violation drops what there is of its physical address, so that what the hypervisor mends is seen.
  func testAViolationDropsItsAddress() throws {
    for (tlb, structures) in [(8, [:]), (0, [2: 2, 3: 2, 4: 2])] as [(Int, [Int: Int])] {
      var caches = NestedCaches(
        tlb: tlb > 0 ? [TLBGeometry(PageSize.allCases, sets: 1, ways: tlb)] : [], structures: structures)
      let (page, other) = (PPN(0x20), PPN(0x4_0000_0020))
      for page in [page, other] {
        caches.fill(page, NestedTranslation(frame: MPN(page.raw), size: .small, rights: .all, isDirty: true))
        for level in 2...4 {
          caches.fill(page.address, WalkStart(level: level, table: MPN(7), rights: Rights(raw: 7)))
        }
      }
      caches.remove(page.address)
      XCTAssertNil(caches.translation(page, for: .read))
      XCTAssertNil(caches.structures.start(page.address, context: 0))
      XCTAssertEqual(caches.translation(other, for: .read) != nil, tlb > 0)
      XCTAssertEqual(caches.structures.start(other.address, context: 0) != nil, tlb == 0)
      caches.removeAll()
      XCTAssertNil(caches.translation(other, for: .read))
      XCTAssertNil(caches.structures.start(other.address, context: 0))
    }
  }

  /// What a cache remembers of too few rights does not outlive the violation: the mended table is seen.
  func testMendedRightsAreSeen() throws {
    var bench = try NestedBench([:], nestedCaches: [2: 4, 3: 4])
    bench.grant([.read, .execute], to: 0x20, level: 2)
    XCTAssertEqual(bench.outcome(.load), "ok")
    let store = Access(AccessKind.store, user: true)
    guard case .fault(let fault) = bench.backend.walk(VirtualAddress(0), store, &bench.cpu, &bench.machine) else {
      return XCTFail("the table grants no stores")
    }
    XCTAssertEqual(fault.nested?.description, "ept-violation 1aa")
    guard case .retry = bench.backend.resolve(fault, &bench.cpu, &bench.machine) else { return XCTFail("no retry") }
    XCTAssertEqual(bench.outcome(.store), "ok")
  }

  /// An entry without the right, or without D, is no answer for such an access.
  func testTheNestedTLBAnswersOnlyWhatItMay() {
    var caches = NestedCaches(tlb: [TLBGeometry(PageSize.allCases, sets: 1, ways: 4)], structures: [:])
    caches.fill(PPN(1), NestedTranslation(frame: MPN(9), size: .small, rights: [.read, .execute], isDirty: true))
    caches.fill(PPN(2), NestedTranslation(frame: MPN(8), size: .small, rights: .all, isDirty: false))
    XCTAssertEqual(caches.translation(PPN(1), for: .execute)?.frame, MPN(9))
    XCTAssertNil(caches.translation(PPN(1), for: .write))
    XCTAssertEqual(caches.translation(PPN(2), for: .read)?.frame, MPN(8))
    XCTAssertNil(caches.translation(PPN(2), for: .write))
    caches.fill(PPN(0x203), NestedTranslation(frame: MPN(0x803), size: .large, rights: .all, isDirty: true))
    XCTAssertEqual(caches.translation(PPN(0x3ff), for: .write)?.frame, MPN(0x9ff))
  }

  /// Without VPIDs, each violation's exit flushes the TLB; with them nothing but the page goes.
  func testExitsFlushWithoutVPIDs() throws {
    var lazy = Settings()
    let program = guest {
      $0.read(va + 0x1000)
      $0.read(va)
    }
    let tagged = try program.run(.nested, on: .roomy, lazy).counters
    XCTAssertNil(lazy.set("nested.vpid", to: "off"))
    let flushed = try program.run(.nested, on: .roomy, lazy).counters
    XCTAssertEqual([tagged.hiddenFill, flushed.hiddenFill], [6, 6])
    XCTAssertEqual([tagged.tlbMisses, flushed.tlbMisses], [2, 3])
  }

  /// A paging-structure cache leads to a table whose page the nested table lets nobody write: the walk that must set a bit
  /// there begins again at the root, and says where the page lies.
  func testACachedTableThatMayNotBeWritten() throws {
    var bench = try NestedBench([:], caches: [2: 4])
    bench.grant(.read, to: 0x13)
    XCTAssertEqual(bench.outcome(.load), "ok")
    let second = PhysicalAddress(0x1_3008)
    bench.machine.setGuestWord(second, 0x2_1007)
    XCTAssertEqual(bench.outcome(.load, at: 0x1000), "ept-violation 8b at 13")
    XCTAssertEqual(bench.machine.guestWord(second), 0x2_1007)
    XCTAssertEqual(bench.machine.counters.structureCacheHits, 1)
  }

  /// What the nested table refuses stays refused in the TLB, though the guest's registers change.
  func testNestedRightsOutliveAChangeOfControls() {
    let translation = Translation(
      frame: MPN(5), size: .small, guestSize: .small, rights: .all, isDirty: true, isGlobal: false,
      refused: NestedRights.read.refused(isUserPage: true))
    var registers = ControlRegisters.initial
    let data = TLBData.make(translation, allowed: Rights.all.allowed(under: controls(registers)))
    XCTAssertEqual(data & TLBData.allowed, 0x11, "loads of both modes")
    registers.cr0 &= ~CR0.writeProtect
    XCTAssertEqual(TLBData.refreshed(data, under: controls(registers)) & TLBData.allowed, 0x11)
    XCTAssertEqual(TLBData.size(data), .small)
    XCTAssertEqual(TLBData.frame(data), MPN(5))
  }

  private func controls(_ registers: ControlRegisters) -> PagingControls {
    PagingControls(registers, maxPhysicalAddressBits: 46, hasHugePages: true, alignmentCheckFlag: true)
  }
}
