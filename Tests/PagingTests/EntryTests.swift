import XCTest

@testable import Paging

/// Bits of entries and addresses against SDM 3A 2.5 and 4.5.
final class EntryTests: XCTestCase {
  private func controls(_ bits: Int, noExecute: Bool, huge: Bool = true) -> PagingControls {
    let registers = ControlRegisters(cr0: 0x8005_0033, cr3: 0, cr4: 0x20, efer: noExecute ? 0xd01 : 0x501)
    return PagingControls(registers, maxPhysicalAddressBits: bits, hasHugePages: huge, alignmentCheckFlag: true)
  }

  /// Each bit alone, at each level, with and without PS, for several MAXPHYADDR: reserved or not.
  func testReservedBits() {
    for (width, noExecute) in [(36, true), (46, true), (52, true), (46, false)] {
      let controls = controls(width, noExecute: noExecute)
      for level in 1...5 {
        for pageSize in [false, true] {
          for bit in 0..<64 where bit != 7 {
            let entry = PageTableEntry<PhysicalSpace>(1 << UInt64(bit) | 1 | (pageSize ? 0x80 : 0))
            var expected = (width..<52).contains(bit) || bit == 63 && !noExecute
            if pageSize && level == 2 { expected = expected || (13...20).contains(bit) }
            if pageSize && level == 3 { expected = expected || (13...29).contains(bit) }
            // Bit 7 itself is reserved above level 3, whatever else is set.
            if pageSize && level > 3 { expected = true }
            XCTAssertEqual(
              entry.reservedBits(level: level, under: controls) != 0, expected, "bit \(bit) level \(level) \(width)")
          }
        }
      }
    }
    let without = controls(46, noExecute: true, huge: false)
    XCTAssertEqual(PageTableEntry<PhysicalSpace>(0x81).reservedBits(level: 3, under: without), 0x80)
    XCTAssertEqual(PageTableEntry<PhysicalSpace>(0x81).reservedBits(level: 2, under: without), 0)
  }

  /// Canonical: bits 63 to 47 equal with four levels, 63 to 56 with five.
  func testCanonicalAddresses() {
    let cases: [(UInt64, Bool, Bool)] = [
      (0, true, true), (0x7fff_ffff_ffff, true, true), (0x8000_0000_0000, false, true),
      (0xffff_8000_0000_0000, true, true), (0xffff_7fff_ffff_ffff, false, true), (0xff_ffff_ffff_ffff, false, true),
      (0x100_0000_0000_0000, false, false), (0xff00_0000_0000_0000, false, true), (0xfeff_ffff_ffff_ffff, false, false),
      (.max, true, true), (1 << 63, false, false),
    ]
    for (raw, four, five) in cases {
      XCTAssertEqual(VirtualAddress(raw).isCanonical(levels: 4), four, String(raw, radix: 16))
      XCTAssertEqual(VirtualAddress(raw).isCanonical(levels: 5), five, String(raw, radix: 16))
    }
  }

  func testTableIndices() {
    // 1, 2, 3, 4, 5 in the nine bits of levels 5 down to 1.
    let address = VirtualAddress(1 << 48 | 2 << 39 | 3 << 30 | 4 << 21 | 5 << 12 | 0xabc)
    XCTAssertEqual((1...5).map { address.tableIndex(level: $0) }, [5, 4, 3, 2, 1])
    XCTAssertEqual(address.offset, 0xabc)
  }

  /// The frame of a large page has no PAT bit and nothing else below its size.
  func testFrames() {
    let entry = PageTableEntry<PhysicalSpace>(0x8000_0012_3fff_f0e7)
    XCTAssertEqual(entry.frame.raw, 0x12_3fff_f)
    XCTAssertEqual(entry.frame(of: .large).raw, 0x12_3fe0_0)
    XCTAssertEqual(entry.frame(of: .huge).raw, 0x12_0000_0)
    XCTAssertEqual((1...5).map { entry.isLeaf(level: $0) }, [true, true, true, false, false])
    XCTAssertEqual(PageSize.allCases.map(\.pages), [1, 512, 262_144])
    XCTAssertEqual(PageSize.allCases.map(\.shift), [12, 21, 30])
  }

  /// W, U and I/D describe the access; I/D only with SMEP or NXE (SDM 3A 4.7). The code gives the access back.
  func testErrorCodes() {
    for access in Access.all {
      let expected: UInt32 = (access.isStore ? 2 : 0) | (access.isUser ? 4 : 0)
      XCTAssertEqual(PageFaultCode(access, reportsFetch: false).rawValue, expected)
      let reported = PageFaultCode(access, reportsFetch: true)
      XCTAssertEqual(reported.rawValue, expected | (access.isFetch ? 16 : 0))
      XCTAssertEqual(reported.access, access)
    }
    XCTAssertTrue(controls(46, noExecute: true).reportsFetch)
    XCTAssertFalse(controls(46, noExecute: false).reportsFetch)
  }

  /// PCID is CR3[11:0] with PCIDE, else 0; the root is the page in bits 51 to 12.
  func testControlRegisters() {
    var registers = ControlRegisters.initial
    registers.cr3 = 0x12_3456_7abc
    XCTAssertEqual(registers.pcid, 0)
    registers.cr4 |= CR4.pcid
    XCTAssertEqual(registers.pcid, 0xabc)
    XCTAssertEqual(registers.root.raw, 0x12_3456_7)
    XCTAssertEqual(registers.levels, 4)
    registers.cr4 |= CR4.la57
    XCTAssertEqual(registers.levels, 5)
    // A scenario's start as `traces/README.md` has it: WP, PAE, long mode with NXE.
    let initial = ControlRegisters.initial
    XCTAssertTrue(initial.isWriteProtected && initial.hasNoExecute)
    XCTAssertEqual([initial.cr0, initial.cr4, initial.efer], [0x8005_0033, 0x20, 0xd01])
  }
}
