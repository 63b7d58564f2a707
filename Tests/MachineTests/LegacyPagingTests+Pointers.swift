import Paging
import XCTest

@testable import Machine

/// The pointers of PAE paging: in registers, or with NPT read by each walk.
extension LegacyPagingTests {
  /// A pointer that changes in memory does nothing until CR3, or CR4 with another PGE, PSE, SMEP or PAE, is loaded.
  func testPointersAreLoadedWithCR3() throws {
    for load in ["cr3", "cr4", "smap", "none"] {
      let guest = guest(3) { guest in
        guest.map(va, to: 0x5000)
        guest.boot()
        guest.read(va)
        guest.store(0, at: guest.root + 8)
        guest.invlpg(va)
        guest.read(va)
        switch load {
        case "cr3": guest.cr3(guest.root)
        case "cr4": guest.append(.loadCR4, CR4.pae | CR4.globalPages)
        // A bit that loads no pointers.
        case "smap": guest.append(.loadCR4, CR4.pae | CR4.smap)
        default: break
        }
        guest.invlpg(va)
        guest.read(va)
      }
      let expected = load == "cr3" || load == "cr4" ? ["#\(guest.next - 1) va 40605000 code 4"] : []
      for mode in modes { XCTAssertEqual(try faults(guest, mode), expected, "\(mode), \(load)") }
      // AMD's nested paging has none in registers: each walk reads them.
      let npt = try faults(guest, .nested, ["nested.format": "npt"])
      XCTAssertEqual(npt.count, load == "cr3" || load == "cr4" ? 2 : 2, "\(load)")
    }
  }

  /// Each reserved bit of a present pointer is a fault of the load, which then has no effect; of an absent one, none is.
  func testReservedBitsOfPointers() throws {
    for bit in (0..<64) as Range<UInt64> where bit != 0 && !(12..<46).contains(bit) {
      let isReserved = [1, 2, 5, 6, 7, 8].contains(bit) || bit >= 46
      for isPresent in [true, false] {
        let guest = guest(3) { guest in
          guest.map(va, to: 0x5000)
          guest.boot()
          guest.read(va)
          guest.store((isPresent ? 1 : 0) | 1 << bit, at: guest.root + 16)
          guest.cr3(guest.root)
          guest.read(va)
        }
        let expected = isReserved && isPresent ? ["#\(guest.next - 2) va 100000 code GP"] : []
        for mode in modes { XCTAssertEqual(try faults(guest, mode), expected, "\(mode), bit \(bit)") }
      }
    }
  }

  /// Under AMD's nested paging a bad pointer is met by the walk that uses it (APM 2 15.25.10).
  func testReservedBitsOfPointersUnderNPT() throws {
    let guest = guest(3) { guest in
      guest.map(va, to: 0x5000)
      guest.map(0x8000_0000, to: 0x6000)
      guest.boot()
      guest.read(va)
      guest.store(guest.entry(0x8000_0000, level: 2) & ~0xfff | 0x21, at: guest.root + 16)
      guest.cr3(guest.root)
      guest.read(va)
      guest.read(0x8000_0000)
    }
    XCTAssertEqual(
      try faults(guest, .nested, ["nested.format": "npt"]), ["#\(guest.next - 1) va 80000000 code \("d")"])
  }

  /// A page-walk cache holds pointers that walks read, but with no A: that would be a reserved bit.
  func testPointersInAPageWalkCache() throws {
    var machine = MachineDescription.bareFiveLevels
    machine.pageWalkCache = PageWalkCacheGeometry(entries: 64, cycles: 2)
    var settings = Settings()
    XCTAssertNil(settings.set("nested.format", to: "npt"))
    let guest = guest(3) { guest in
      guest.map(va, to: 0x5000)
      guest.boot()
      for _ in 0..<3 { guest.read(va) }
    }
    let outcome = try guest.run(.nested, on: machine, settings)
    XCTAssertEqual(outcome.faults, [])
    // The pointer and the entry of level 2, twice.
    XCTAssertEqual(outcome.counters.structureCacheHits, 4)
  }

  /// The hypervisor that carries an access out goes by the pointers that the hardware's walk has read: in memory, not in
  /// registers.
  func testPointersOfAnEmulatedAccessUnderNPT() throws {
    let guest = guest(3) { guest in
      guest.map(va, to: 0x5000)
      guest.setTable(0x70_0000, level: 2)
      let entry = guest.entry(va, level: 2)
      guest.set(guest.words[entry, default: 0], at: 0x70_0000 | entry & 0xfff)
      guest.boot()
      guest.read(va)
      guest.store(0x70_0001, at: guest.root + 8)
      guest.store(0, at: entry)
      guest.invlpg(va)
      guest.read(va)
    }
    XCTAssertEqual(try faults(guest, .nested, ["nested.format": "npt", "trace.device": "5000+1000"]), [])
  }

  /// The load reads through the nested table: a violation of a read, which knows no linear address and no final page.
  func testPointersAreReadThroughTheNestedTable() throws {
    for ad in ["off", "on"] {
      var settings = Settings()
      XCTAssertNil(settings.set("nested.ad", to: ad))
      let guest = guest(3) { guest in
        guest.map(va, to: 0x5000)
        guest.setTable(0x60_0020 & ~0xfff, level: 3)
        guest.set(guest.words[guest.root + 8, default: 0], at: 0x60_0028)
        guest.boot()
        guest.read(va)
        guest.cr3(0x60_0020)
        guest.read(va)
      }
      let outcome = try guest.run(.nested, on: .roomy, settings)
      XCTAssertEqual(outcome.faults, [])
      XCTAssertEqual(
        outcome.events.filter { $0.kind == .hiddenFault && $0.operation == guest.next - 2 }.map(\.physical?.raw),
        [0x60_0020])
      XCTAssertEqual(
        outcome.events.first { $0.operation == guest.next - 2 && $0.kind == .hiddenFault }?.result, "ept-violation 1")
    }
  }
}
