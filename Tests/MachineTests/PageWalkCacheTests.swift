import Paging
import XCTest

@testable import Machine

/// The cache of entries by their own address: what it spares, what it may remember, and what empties it (Bhargava
/// et al., ASPLOS 2008, section 4).
final class PageWalkCacheTests: XCTestCase {
  private let va: UInt64 = 0x80_4060_5000

  private func machine(_ entries: Int = 24, tlb: Int = 0) -> MachineDescription {
    var machine = MachineDescription()
    machine.pageWalkCache = PageWalkCacheGeometry(entries: entries, cycles: 2)
    if tlb > 0 { machine.nestedTLB = [TLBGeometry([.small], sets: 1, ways: tlb)] }
    return machine
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
    _ guest: Guest, _ mode: Mode, _ machine: MachineDescription, _ keys: [String: String] = [:]
  ) throws -> UInt64 {
    var settings = Settings()
    settings.isNestedTableEager = true
    for (key, value) in keys { XCTAssertNil(settings.set(key, to: value)) }
    return try guest.run(mode, on: machine, settings).counters.walkReferences
  }

  /// The guest's leaf is never held; a nested leaf is, and the entry of level 2 of a page that is not in it.
  func testWhatIsHeld() throws {
    let twice = guest { $0.read(va) }
    XCTAssertEqual(try references(twice, .native, machine()), 4 + 1)
    XCTAssertEqual(try references(twice, .native, machine(), ["walk.cache": "guest"]), 4 + 1)
    XCTAssertEqual(try references(twice, .native, machine(), ["walk.cache": "none"]), 8)
    // First walk: 4 of the guest's, 3 nested ones above the leaves, a nested leaf for each table and the page.
    XCTAssertEqual(try references(twice, .nested, machine()), 12 + 1)
    XCTAssertEqual(try references(twice, .nested, machine(tlb: 16), ["nested.tlb": "tables"]), 12 + 1)
    XCTAssertEqual(try references(twice, .nested, machine(), ["walk.cache": "guest"]), 24 + 21)
    XCTAssertEqual(try references(twice, .nested, machine(), ["walk.cache": "none"]), 48)
    let other = guest { $0.read(va + 0x1000) }
    XCTAssertEqual(try references(other, .nested, machine()), 12 + 2)
    // One entry: the second walk finds nothing; in two dimensions each nested walk begins with another entry.
    XCTAssertEqual(try references(twice, .native, machine(1)), 8)
    XCTAssertEqual(try references(twice, .native, machine(2)), 8)
    XCTAssertEqual(try references(twice, .native, machine(3)), 5)
  }

  /// A large page's entry is a leaf.
  func testALargeLeafIsNotHeld() throws {
    var guest = Guest()
    guest.map(0x20_0000, to: 0x40_0000, size: .large)
    guest.boot()
    for _ in 0..<3 { guest.read(0x20_0000) }
    XCTAssertEqual(try references(guest, .native, machine()), 3 + 1 + 1)
  }

  /// An answer costs the cache's cycles, and no reference.
  func testCycles() throws {
    let counters = try guest { $0.read(va) }.run(.native, on: machine()).counters
    XCTAssertEqual(counters.cyclesTranslation, 5 * 200 + 3 * 2)
    XCTAssertEqual([counters.structureCacheHits, counters.nestedStructureCacheHits], [3, 0])
  }

  func testInvalidationsEmptyIt() throws {
    for invalidate in [
      { (guest: inout Guest) in guest.invlpg(0) }, { $0.invpcid(2) }, { $0.invpcid(0, va: 0) }, { $0.invpcid(3) },
      { $0.cr3($0.root) }, { $0.read(0) },
    ] as [(inout Guest) -> Void] {
      let program = guest {
        invalidate(&$0)
        $0.read(va)
      }
      // The load from 0 is a page fault, found in the top table's entry.
      let faulting = try program.run(.native, on: machine()).counters.trueFaults
      XCTAssertEqual(try references(program, .native, machine()), 8 + faulting)
      // With the nested entries too; the nested TLB stays.
      XCTAssertEqual(
        try references(program, .nested, machine(tlb: 16), ["nested.tlb": "tables"]), 12 + 8 + faulting)
    }
  }

  /// An entry that the guest changed is used until it flushes, and the oracle allows it.
  func testAnEntryMayBeOutOfDateUntilAFlush() throws {
    var late = Guest()
    late.map(va, to: 0x5000)
    late.map(va + 0x1000, to: 0x6000)
    let empty = late.addTable(level: 1)
    let entry = late.entry(va, level: 2)
    late.boot()
    late.read(va)
    late.store(empty | EntryFlags.readWriteUser.rawValue, at: entry)
    late.read(va + 0x1000)
    late.read(va + 0x1000)
    var machine = machine()
    machine.l1Data = [TLBGeometry(PageSize.allCases, sets: 1, ways: 8)]
    let stale = try late.run(.native, on: machine)
    XCTAssertEqual([stale.counters.trueFaults, stale.counters.staleHits], [0, 1])
    XCTAssertEqual(stale.divergences, [])
    XCTAssertEqual(stale.tables[entry], empty | 7, "A is not set in an entry that was not read")
    late.invlpg(0)
    late.read(va + 0x1000)
    XCTAssertEqual(try late.run(.native, on: machine).counters.trueFaults, 0, "the TLB still has it")
    late.invlpg(va + 0x1000)
    late.read(va + 0x1000)
    XCTAssertEqual(try late.run(.native, on: machine).counters.trueFaults, 1)
  }

  /// An entry may be older than the one that led to it, which no cache by prefix could give: the oracle allows it.
  func testAnOldEntryBelowANewOne() throws {
    let other = va + (1 << 30)
    var guest = Guest()
    guest.map(other, to: 0x5000)
    guest.map(other + 0x1000, to: 0x6000)
    let empty = guest.addTable(level: 1)
    let (below, above) = (guest.entry(other, level: 2), guest.entry(other, level: 3))
    guest.boot()
    guest.read(other)
    guest.store(empty | EntryFlags.readWriteUser.rawValue, at: below)
    // The GiB in front gets the same table of level 2.
    guest.store(guest.words[above] ?? 0, at: above - 8)
    guest.read(va + 0x1000)
    guest.read(va + 0x1000)
    var machine = machine()
    machine.l1Data = [TLBGeometry(PageSize.allCases, sets: 1, ways: 8)]
    let outcome = try guest.run(.native, on: machine)
    XCTAssertEqual(outcome.divergences, [])
    XCTAssertEqual([outcome.counters.trueFaults, outcome.counters.staleHits], [0, 1])
    XCTAssertEqual(outcome.counters.walkReferences, 4 + 2)
  }

  /// More rights need no flush: the fault that an old entry gives is the processor's own affair.
  func testMoreRightsNeedNoFlush() throws {
    for mode in [Mode.native, .nested] {
      var guest = Guest()
      guest.append(.ram, 1 << 30)
      guest.map(va, to: 0x5000)
      let entry = guest.entry(va, level: 2)
      let word = guest.words[entry] ?? 0
      guest.set(word & ~EntryFlags.writable.rawValue, at: entry)
      guest.boot()
      guest.read(va)
      guest.store(word, at: entry)
      guest.write(va)
      let outcome = try guest.run(mode, on: machine())
      XCTAssertEqual(outcome.faults, [], "\(mode)")
    }
  }

  /// A walk that faults leaves no entry behind that is taken for accessed.
  func testAccessedIsSetAfterAFault() throws {
    var guest = Guest()
    guest.map(va, to: 0x5000)
    let entry = guest.entry(va + 0x1000)
    guest.boot()
    guest.read(va + 0x1000)
    guest.store(0x6007, at: entry)
    guest.read(va + 0x1000)
    let outcome = try guest.run(.native, on: machine())
    XCTAssertEqual(outcome.counters.trueFaults, 1)
    for level in 1...4 {
      XCTAssertEqual(outcome.tables[guest.entry(va, level: level), default: 0] & 0x20, level > 1 ? 0x20 : 0)
    }
    XCTAssertEqual(outcome.tables[entry], 0x6027)
  }

  /// What is told of a table anew is seen at once.
  func testATableThatBeginsAnotherLife() throws {
    var guest = Guest()
    guest.map(va, to: 0x5000)
    guest.map(va + 0x1000, to: 0x6000)
    let entry = guest.entry(va, level: 2)
    guest.boot()
    guest.read(va)
    guest.set(0, at: entry)
    guest.announce(entry & ~0xfff)
    guest.read(va + 0x1000)
    XCTAssertEqual(try guest.run(.native, on: machine()).counters.trueFaults, 1)
  }

  /// Entries of one PCID are not used in another, whatever a guest keeps in their bit 11.
  func testPCIDsAreToldApart() throws {
    var guest = Guest()
    guest.map(va, to: 0x5000)
    for level in 2...4 {
      let entry = guest.entry(va, level: level)
      guest.set((guest.words[entry] ?? 0) | 1 << 11, at: entry)
    }
    guest.boot(cr4: CR4.pae | CR4.pcid)
    guest.read(va)
    guest.cr3(guest.root | 1 | CR3.noFlush)
    guest.read(va)
    guest.cr3(guest.root | CR3.noFlush)
    guest.read(va)
    XCTAssertEqual(try references(guest, .native, machine()), 4 + 4 + 1)
  }

  /// A violation drops the nested entries, so that what the hypervisor mends is seen.
  func testMendedNestedRightsAreSeen() throws {
    var bench = try NestedBench([:], pageWalkCache: PageWalkCacheGeometry(entries: 24, cycles: 2))
    bench.grant([.read, .execute], to: 0x20, level: 2)
    XCTAssertEqual(bench.outcome(.load), "ok")
    bench.grant(.all, to: 0x20, level: 2)
    XCTAssertEqual(bench.outcome(.store), "ept-violation 1aa at 20", "what is held lacks W")
    bench.cpu.nested.remove(PhysicalAddress(0x2_0000))
    XCTAssertEqual(bench.outcome(.store), "ok")
    bench.grant([.read, .execute], to: 0x20, level: 2)
    XCTAssertEqual(bench.outcome(.store), "ok")
    bench.cpu.nested.removeAll()
    XCTAssertEqual(bench.outcome(.store), "ept-violation 1aa at 20")
  }

  func testAMachineHasOneOrganisation() {
    var machine = machine()
    XCTAssertNil(machine.problem)
    machine.pagingStructureCaches = [2: 4]
    XCTAssertNotNil(machine.problem)
    machine.pagingStructureCaches = [:]
    machine.nestedStructureCaches = [2: 4]
    XCTAssertNotNil(machine.problem)
    XCTAssertNotNil(self.machine(0).problem)
    XCTAssertNotNil(self.machine(4097).problem)
  }
}
