import Paging
import XCTest

@testable import Machine

/// The oracle itself: it must refuse wrong hits and accept stale ones that are legal.
final class StalenessOracleTests: XCTestCase {
  private let va = VirtualAddress(0x8040_2000)
  private let registers = ControlRegisters(cr0: 0x8005_0033, cr3: 0x10_0000, cr4: 0x200a0, efer: 0xd01)
  private var oracle = StalenessOracle()

  private func root(_ root: UInt64, pcid: UInt64 = 0) -> ControlRegisters {
    var registers = registers
    registers.cr3 = root | pcid
    return registers
  }

  /// Tables 0x100000 (level 4) down to 0x103000 (level 1), which maps `va` to page 5; another root at 0x110000.
  override func setUp() {
    oracle = StalenessOracle()
    store(0x10_0000, level: 4, 0x10_1007)
    store(0x10_1000, level: 3, 0x10_2007)
    store(0x10_2000, level: 2, 0x10_3007)
    store(0x10_3000, level: 1, 0x5007)
    oracle.started(registers, 0)
  }

  private func store(_ table: UInt64, level: Int, _ value: UInt64) {
    let place = table | va.tableIndex(level: level) << 3
    oracle.store(TableStore(address: PhysicalAddress(place), value: value))
  }

  private func judge(
    _ page: UInt64, _ kind: AccessKind = .load, _ registers: ControlRegisters? = nil, cpu: Int = 0,
    va address: VirtualAddress? = nil
  ) -> StalenessOracle.Verdict {
    let registers = registers ?? self.registers
    let controls = PagingControls(
      registers, maxPhysicalAddressBits: 46, hasHugePages: true, alignmentCheckFlag: true)
    return oracle.judge(
      address ?? va, Access(kind, user: true), gave: PPN(page), PagingRoot(registers), controls, cpu)
  }

  func testCurrentTables() {
    XCTAssertEqual(judge(5), .current)
    XCTAssertEqual(judge(6), .illegal, "wrong frame")
    XCTAssertEqual(judge(5, va: VirtualAddress(0x8040_3000)), .illegal, "not mapped at all")
  }

  func testMissingInvlpg() {
    store(0x10_3000, level: 1, 0x6007)
    XCTAssertEqual(judge(5), .stale)
    oracle.invalidated(VirtualAddress(0x9000).page, registers, 0)
    XCTAssertEqual(judge(5), .stale, "INVLPG of another page")
    oracle.invalidated(va.page, registers, 0)
    XCTAssertEqual(judge(5), .illegal)
    XCTAssertEqual(judge(6), .current)
  }

  func testMissingCR3Flush() {
    store(0x10_3000, level: 1, 0)
    oracle.loadedCR3(registers, keeps: true, 0)
    XCTAssertEqual(judge(5), .stale, "bit 63")
    oracle.loadedCR3(registers, keeps: false, 0)
    XCTAssertEqual(judge(5), .illegal)
  }

  func testAnotherCPUsFlushDoesNotCount() {
    oracle.started(registers, 1)
    store(0x10_3000, level: 1, 0)
    oracle.invalidated(va.page, registers, 1)
    XCTAssertEqual(judge(5), .stale)
    XCTAssertEqual(judge(5, cpu: 1), .illegal)
  }

  func testTooManyRights() {
    store(0x10_3000, level: 1, 0x5005)
    XCTAssertEqual(judge(5, .store), .stale, "writable before, not flushed")
    oracle.invalidated(va.page, registers, 0)
    XCTAssertEqual(judge(5, .store), .illegal)
    XCTAssertEqual(judge(5, .load), .current)
    // Rights are those of all levels together.
    store(0x10_3000, level: 1, 0x5007)
    store(0x10_1000, level: 3, 0x10_2005)
    oracle.loadedCR3(registers, keeps: false, 0)
    XCTAssertEqual(judge(5, .store), .illegal)
    // Never executable: neither now nor before.
    store(0x10_1000, level: 3, 0x10_2007 | 1 << 63)
    oracle.loadedCR3(registers, keeps: false, 0)
    XCTAssertEqual(judge(5, .fetch), .illegal)
  }

  func testGlobalPagesOutliveCR3LoadsAndNothingElse() {
    store(0x10_3000, level: 1, 0x5107)
    store(0x10_3000, level: 1, 0)
    let other = root(0x11_0000, pcid: 2)
    oracle.loadedCR3(other, keeps: false, 0)
    XCTAssertEqual(judge(5, .load, other), .stale, "global, any PCID")
    oracle.invalidated(.context(pcid: 2), 0)
    oracle.invalidated(.allContextsNonGlobal, 0)
    oracle.invalidated(.address(va, pcid: 2), 0)
    XCTAssertEqual(judge(5, .load, other), .stale, "these keep globals")
    oracle.invalidated(va.page, other, 0)
    XCTAssertEqual(judge(5, .load, other), .illegal)
  }

  func testPGEToggleAndInvpcidAllEndGlobals() {
    for isToggle in [true, false] {
      setUp()
      store(0x10_3000, level: 1, 0x5107)
      store(0x10_3000, level: 1, 0)
      var off = registers
      off.cr4 &= ~CR4.globalPages
      if isToggle {
        oracle.changedControls(registers, off, 0)
        oracle.changedControls(off, registers, 0)
      } else {
        oracle.invalidated(.allContexts, 0)
      }
      XCTAssertEqual(judge(5), .illegal)
    }
  }

  /// A local entry of one PCID is not another's.
  func testPCIDsAreApart() {
    let other = root(0x11_0000, pcid: 2)
    oracle.loadedCR3(other, keeps: true, 0)
    XCTAssertEqual(judge(5, .load, other), .illegal)
    oracle.loadedCR3(registers, keeps: true, 0)
    store(0x10_3000, level: 1, 0)
    oracle.invalidated(.context(pcid: 2), 0)
    XCTAssertEqual(judge(5), .stale)
    oracle.invalidated(.context(pcid: 0), 0)
    XCTAssertEqual(judge(5), .illegal)
  }

  /// With paging-structure caches the upper part may be older than the lower, never the other way round.
  func testCompositionsGoFromOldUpperToNewLowerOnly() {
    // The level-2 entry moves to a table that maps page 7; after that the old table maps page 6.
    store(0x10_4000, level: 1, 0x7007)
    store(0x10_2000, level: 2, 0x10_4007)
    store(0x10_3000, level: 1, 0x6007)
    XCTAssertEqual(judge(6), .stale, "old level 2 from the cache, then what its table holds now")
    XCTAssertEqual(judge(7), .current)
    // The new table holds page 8 only before anything led to it.
    setUp()
    store(0x10_4000, level: 1, 0x8007)
    store(0x10_4000, level: 1, 0x7007)
    store(0x10_2000, level: 2, 0x10_4007)
    XCTAssertEqual(judge(8), .illegal)
  }

  /// INVLPG drops the large page whole, whatever address inside names it.
  func testLargePages() {
    store(0x10_2000, level: 2, 0x60_0087)
    let inside = VirtualAddress(0x8040_5000)
    oracle.loadedCR3(registers, keeps: false, 0)
    XCTAssertEqual(judge(0x605, va: inside), .current)
    store(0x10_2000, level: 2, 0)
    XCTAssertEqual(judge(0x605, va: inside), .stale)
    oracle.invalidated(va.page, registers, 0)
    XCTAssertEqual(judge(0x605, va: inside), .illegal)
  }

  func testReservedBitsAreNeverCached() {
    store(0x10_3000, level: 1, 0x8007 | 1 << 50)
    store(0x10_3000, level: 1, 0x5007)
    XCTAssertEqual(judge(0x8), .illegal)
    XCTAssertEqual(judge(0x8 | 1 << 38), .illegal)
  }
}

extension PagingRoot {
  /// Of registers without PAE paging.
  fileprivate init(_ registers: ControlRegisters) {
    self.init(table: registers.root.address.raw, pcid: registers.pcid, mode: registers.mode, pointers: [])
  }
}

extension StalenessOracle {
  fileprivate mutating func started(_ registers: ControlRegisters, _ cpu: Int) {
    started(PagingRoot(registers), cpu)
  }

  fileprivate mutating func loadedCR3(_ registers: ControlRegisters, keeps: Bool, _ cpu: Int) {
    loadedCR3(PagingRoot(registers), keeps: keeps, cpu)
  }

  fileprivate mutating func changedControls(_ old: ControlRegisters, _ new: ControlRegisters, _ cpu: Int) {
    changedControls(old, new, PagingRoot(new), cpu)
  }
}
