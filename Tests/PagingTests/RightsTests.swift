import XCTest

@testable import Paging

/// Rights against SDM 3A 4.6.1, every row under every combination of controls.
final class RightsTests: XCTestCase {
  func testEveryAccessUnderEveryControl() {
    for bits in 0..<16 as Range<UInt64> {
      let (wp, smep, smap, ac) = (bits & 1 == 1, bits & 2 == 2, bits & 4 == 4, bits & 8 == 8)
      let registers = ControlRegisters(
        cr0: 1 << 31 | (wp ? 1 << 16 : 0), cr3: 0, cr4: 0x20 | (smep ? 1 << 20 : 0) | (smap ? 1 << 21 : 0), efer: 0xd01)
      let controls = PagingControls(
        registers, maxPhysicalAddressBits: 46, hasHugePages: true, alignmentCheckFlag: ac)
      for raw in 0..<8 as Range<UInt8> {
        let rights = Rights(raw: raw)
        let (rw, us, nx) = (raw & 1 == 1, raw & 2 == 2, raw & 4 == 4)
        for access in Access.all {
          let expected: Bool
          switch (access.isUser, access.kind) {
          case (true, .load): expected = us
          case (true, .store): expected = us && rw
          case (true, .fetch): expected = us && !nx
          case (false, .load): expected = !(smap && us && !ac)
          case (false, .store): expected = !(smap && us && !ac) && (rw || !wp)
          case (false, .fetch): expected = !nx && !(smep && us)
          }
          XCTAssertEqual(rights.permits(access, under: controls), expected, "\(access.description) \(raw) \(bits)")
        }
      }
    }
  }

  /// RW and US must be in both, NX in either.
  func testCombination() {
    for a in 0..<8 as Range<UInt8> {
      for b in 0..<8 as Range<UInt8> {
        let (x, y) = (Rights(raw: a), Rights(raw: b))
        let both = x.combined(with: y)
        XCTAssertEqual(both.isWritable, x.isWritable && y.isWritable)
        XCTAssertEqual(both.isUser, x.isUser && y.isUser)
        XCTAssertEqual(both.isNoExecute, x.isNoExecute || y.isNoExecute)
      }
    }
    XCTAssertEqual(Rights(PageTableEntry<PhysicalSpace>(0x8000_0000_0000_0003)).raw, 0b101)
    XCTAssertEqual(Rights(PageTableEntry<PhysicalSpace>(0x0000_0000_0000_0fa5)).raw, 0b010)
  }
}
