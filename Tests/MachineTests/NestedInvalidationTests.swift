import Paging
import XCTest

@testable import Machine

/// What each operation drops of what a CPU has cached under nested paging (SDM 3C 29.4.3, every cell): of guest-physical
/// mappings in the nested TLB and the nested paging-structure caches, of combined and linear ones in the TLBs and the
/// paging-structure caches.
final class NestedInvalidationTests: XCTestCase {
  /// A translation of one page, or of what is above it in the paging structures.
  private struct Mapping: Hashable {
    var owner: TranslationOwner
    var pcid: UInt64
    var va: UInt64
    /// Of the TLB alone.
    var isGlobal = false

    var isLinear: Bool { owner.nestedTable == 0 }
  }

  private static let pages: [UInt64] = [0x20_0000, 0x4000_0000_0000]
  private static let owners = (0..<UInt64(3)).flatMap { vpid in
    (0..<UInt64(3)).map { TranslationOwner(vpid: vpid, nestedTable: $0) }
  }
  private static let places: [(table: UInt64, page: PPN)] = [1, 2].flatMap { table in
    [PPN(0x20), PPN(0x4_0000_0020)].map { (table, $0) }
  }

  private static let structures = owners.flatMap { owner in
    [UInt64(0), 7].flatMap { pcid in pages.map { Mapping(owner: owner, pcid: pcid, va: $0) } }
  }
  /// A page each, so that a global one is told from those of other PCIDs.
  private static let translations = structures.flatMap { mapping in
    [false, true].map { isGlobal in
      var mapping = mapping
      mapping.isGlobal = isGlobal
      mapping.va += isGlobal ? 0x1000 + mapping.pcid << 12 : 0
      return mapping
    }
  }

  private func description() -> MachineDescription {
    var machine = MachineDescription(name: "roomy")
    machine.l1Data = [TLBGeometry([.small], sets: 1, ways: 200)]
    machine.l1Instruction = machine.l1Data
    machine.l2 = machine.l1Data
    machine.pagingStructureCaches = [2: 100, 3: 100, 4: 100]
    machine.nestedTLB = [TLBGeometry([.small], sets: 1, ways: 10)]
    machine.nestedStructureCaches = [2: 10, 3: 10, 4: 10]
    return machine
  }

  /// A CPU with all of these cached, that runs VPID 1 with nested table 1 and PCID 7.
  private func makeCPU() -> VirtualCPU {
    let state = MachineState(Configuration(mode: .nested, machine: description(), guest: .scenario))
    var cpu = VirtualCPU(index: 0, state)
    for mapping in Self.translations {
      select(mapping, &cpu)
      let translation = Translation(
        frame: MPN(5), size: .small, guestSize: .small, rights: .all, isDirty: true, isGlobal: mapping.isGlobal)
      for kind in [AccessKind.load, .fetch] {
        cpu.fill(VirtualAddress(mapping.va).page, translation, for: Access(kind, user: true), isNew: false)
      }
    }
    for mapping in Self.structures {
      let context = mapping.owner.raw | mapping.pcid
      cpu.structures.forEach { cache in
        cache.fill(VirtualAddress(mapping.va), context: context, table: MPN(6), rights: .all)
      }
    }
    for (table, page) in Self.places {
      cpu.nested.table = table
      cpu.nested.fill(page, NestedTranslation(frame: MPN(7), size: .small, rights: .all, isDirty: true))
      for level in 2...4 {
        cpu.nested.fill(page.address, WalkStart(level: level, table: MPN(8), rights: Rights(raw: 7)))
      }
    }
    select(Mapping(owner: TranslationOwner(vpid: 1, nestedTable: 1), pcid: 7, va: 0), &cpu)
    return cpu
  }

  private func select(_ mapping: Mapping, _ cpu: inout VirtualCPU) {
    cpu.run(mapping.owner)
    cpu.context = mapping.owner.raw | mapping.pcid
  }

  /// Carries an operation out, and says of each mapping whether it must be gone.
  private func check(
    _ name: String, _ operation: (inout VirtualCPU) -> Void, tlb: (Mapping) -> Bool,
    structures: (Mapping) -> Bool, nested: (UInt64) -> Bool = { _ in false }
  ) {
    var cpu = makeCPU()
    operation(&cpu)
    for mapping in Self.translations {
      let tag = TLBEntry.tag(mapping.va >> 12, .small, context: mapping.owner.raw | mapping.pcid)
      for (level, entries) in [
        ("data", cpu.data.entries()), ("fetches", cpu.fetches.entries()), ("second", cpu.second.entries()),
      ] {
        let isGone = !entries.contains { $0.tag == tag }
        XCTAssertEqual(isGone, tlb(mapping), "\(name): \(level) TLB, \(mapping)")
      }
    }
    for mapping in Self.structures {
      cpu.structures.forEach { cache in
        guard (2...4).contains(cache.level) else { return }
        let found = cache.lookUp(VirtualAddress(mapping.va), context: mapping.owner.raw | mapping.pcid)
        XCTAssertEqual(found == nil, structures(mapping), "\(name): structures of level \(cache.level), \(mapping)")
      }
    }
    for (table, page) in Self.places {
      cpu.nested.table = table
      XCTAssertEqual(cpu.nested.translation(page, for: .read) == nil, nested(table), "\(name): nested TLB, \(table)")
      XCTAssertEqual(cpu.nested.start(page.address) == nil, nested(table), "\(name): nested structures, \(table)")
    }
  }

  private let va = VirtualAddress(NestedInvalidationTests.pages[0])

  /// Linear mappings and combined ones of any nested table alike; guest-physical ones stay.
  func testTheGuestsOperations() {
    let (page, own) = (va.page, { (mapping: Mapping) in mapping.owner.vpid == 1 })
    check("nothing", { _ in }, tlb: { _ in false }, structures: { _ in false })
    check(
      "INVLPG", { $0.invalidate(page) }, tlb: { own($0) && $0.pcid == 7 && $0.va == page.address.raw },
      structures: { own($0) && $0.pcid == 7 })
    let global = Self.translations.first { $0.isGlobal && $0.pcid == 0 && $0.owner.vpid == 1 }?.va ?? 0
    check(
      "INVLPG of a global page", { $0.invalidate(VirtualAddress(global).page) },
      tlb: { own($0) && $0.va == global }, structures: { own($0) && $0.pcid == 7 })
    check(
      "INVPCID 0", { $0.invalidate(page, pcid: 0) }, tlb: { own($0) && $0.pcid == 0 && $0.va == page.address.raw },
      structures: { own($0) && $0.pcid == 0 })
    check(
      "INVPCID 1, MOV to CR3", { $0.flush(pcid: 0) }, tlb: { own($0) && $0.pcid == 0 && !$0.isGlobal },
      structures: { own($0) && $0.pcid == 0 })
    check("INVPCID 2", { $0.flushAll() }, tlb: own, structures: own)
    check("INVPCID 3", { $0.flushNonGlobal() }, tlb: { own($0) && !$0.isGlobal }, structures: own)
  }

  func testINVVPID() {
    let two = { (mapping: Mapping) in mapping.owner.vpid == 2 }
    let va = self.va
    check(
      "INVVPID 0", { $0.invvpid(.address(va, vpid: 2)) }, tlb: { two($0) && $0.va == va.raw },
      structures: { two($0) && $0.va == va.raw })
    check("INVVPID 1", { $0.invvpid(.context(2)) }, tlb: two, structures: two)
    check(
      "INVVPID 2", { $0.invvpid(.allContexts) }, tlb: { $0.owner.vpid != 0 }, structures: { $0.owner.vpid != 0 })
    check(
      "INVVPID 3", { $0.invvpid(.contextKeepingGlobals(2)) }, tlb: { two($0) && !$0.isGlobal }, structures: two)
    for operation in [
      VPIDInvalidation.address(va, vpid: 0), .context(0), .contextKeepingGlobals(0),
      .address(VirtualAddress(0x8000_0000_0000), vpid: 2),
    ] {
      check(
        "\(operation)", { cpu in XCTAssertFalse(cpu.invvpid(operation)) }, tlb: { _ in false },
        structures: { _ in false })
    }
  }

  /// Linear mappings stay.
  func testINVEPT() {
    let second = { (mapping: Mapping) in mapping.owner.nestedTable == 2 }
    check("INVEPT 1", { $0.invept(.table(2)) }, tlb: second, structures: second, nested: { $0 == 2 })
    check(
      "INVEPT 2", { $0.invept(.allTables) }, tlb: { !$0.isLinear }, structures: { !$0.isLinear }, nested: { _ in true })
  }

  func testCrossingsWithoutVPID() {
    check(
      "VM exit", { $0.crossedWithoutVPID() }, tlb: { $0.owner.vpid == 0 }, structures: { $0.owner.vpid == 0 })
  }

  /// A violation: its physical address in this nested table, its virtual one in this context.
  func testViolation() {
    let va = self.va
    var cpu = makeCPU()
    cpu.nested.remove(Self.places[0].page.address)
    cpu.dropAfterFault(va)
    for (table, page) in Self.places {
      cpu.nested.table = table
      let isGone = table == 1 && page == Self.places[0].page
      XCTAssertEqual(cpu.nested.translation(page, for: .read) == nil, isGone)
      XCTAssertEqual(cpu.nested.start(page.address) == nil, isGone)
    }
    let owner = TranslationOwner(vpid: 1, nestedTable: 1)
    for mapping in Self.structures {
      let isGone = mapping.owner == owner && mapping.pcid == 7 && mapping.va == va.raw
      let context = mapping.owner.raw | mapping.pcid
      XCTAssertEqual(cpu.structures.start(VirtualAddress(mapping.va), context: context) == nil, isGone, "\(mapping)")
      cpu.context = context
      XCTAssertEqual(cpu.lookUpFirst(mapping.va >> 12, Access(AccessKind.load, user: true)) == 0, isGone, "\(mapping)")
    }
  }

  /// AMD: an ASID is a VPID, and names its guest's nested table.
  func testAMDsOperations() {
    let (va, owner) = (self.va, TranslationOwner(vpid: 2, nestedTable: 2))
    let two = { (mapping: Mapping) in mapping.owner.vpid == 2 }
    check(
      "INVLPGA", { $0.invlpga(va, asid: 2) }, tlb: { two($0) && $0.va == va.raw },
      structures: { two($0) && $0.va == va.raw })
    check(
      "TLB_CONTROL 1", { $0.flush(.flushAll, owner) }, tlb: { _ in true }, structures: { _ in true },
      nested: { _ in true })
    check("TLB_CONTROL 3", { $0.flush(.flushASID, owner) }, tlb: two, structures: two, nested: { $0 == 2 })
    check(
      "TLB_CONTROL 7", { $0.flush(.flushASIDNonGlobal, owner) }, tlb: { two($0) && !$0.isGlobal }, structures: two,
      nested: { $0 == 2 })
  }
}
