import Paging
import XCTest

@testable import Machine

/// What 32-bit paging, PAE paging and no paging have of their own (SDM 3A 4.3 and 4.4; AMD APM 2 15.25.10).
final class LegacyPagingTests: XCTestCase {
  let va: UInt64 = 0x4060_5000
  let modes: [Mode] = [.native, .emulatedTLB, .shadow, .nested]

  func guest(_ levels: Int, ram: UInt64 = 1 << 30, _ more: (inout Guest) -> Void) -> Guest {
    var guest = Guest(levels: levels)
    guest.append(.ram, ram)
    more(&guest)
    return guest
  }

  func faults(_ guest: Guest, _ mode: Mode, _ keys: [String: String] = [:]) throws -> [String] {
    var settings = Settings()
    for (key, value) in keys { XCTAssertNil(settings.set(key, to: value)) }
    let outcome = try guest.run(mode, on: .roomy, settings)
    XCTAssertEqual(outcome.divergences, [], "\(mode) \(keys)")
    return outcome.faults.map(\.description)
  }

  // MARK: 32-bit paging

  /// A page of 4 MiB is two entries of 2 MiB to the TLB, and one INVLPG, anywhere in it, drops both; and its parts.
  func testOneInvlpgDropsAllOfALargePage() throws {
    for mode in modes {
      for keys in [["shadow.large": "keep", "nested.page": "2M"], [:]] {
        for dropped in [0x4040_1000, 0x407f_f000] as [UInt64] {
          let guest = guest(2, ram: 2 << 30) { guest in
            guest.map(0x4040_0000, to: 0x40_0000, size: .large)
            guest.boot()
            guest.read(0x4040_0000)
            guest.read(0x4060_0000)
            guest.store(0, at: guest.entry(0x4040_0000, level: 2))
            guest.invlpg(dropped)
            guest.read(0x4040_0000)
            guest.read(0x4060_0000)
          }
          let expected = ["#\(guest.next - 2) va 40400000 code 4", "#\(guest.next - 1) va 40600000 code 4"]
          XCTAssertEqual(try faults(guest, mode, keys), expected, "\(mode) \(keys)")
        }
      }
    }
  }

  /// The same for a global page of the address space before, of which the TLB has the other half.
  func testOneInvlpgDropsAGlobalLargePageOfAnotherRoot() throws {
    for dropped in [0x4040_1000, 0x407f_f000] as [UInt64] {
      let guest = guest(2, ram: 2 << 30) { guest in
        guest.map(0x4040_0000, to: 0x40_0000, [.present, .writable, .user, .global], size: .large)
        let other = guest.addRoot()
        guest.map(0x4040_0000, to: 0x80_0000, size: .large, root: other)
        guest.boot(cr4: CR4.pse | CR4.globalPages)
        guest.read(dropped ^ 0x20_0000)
        guest.cr3(other)
        guest.invlpg(dropped)
        guest.read(dropped ^ 0x20_0000)
      }
      for mode in modes {
        let outcome = try guest.run(mode, on: .roomy)
        XCTAssertEqual(outcome.divergences, [], "\(mode)")
        XCTAssertEqual(outcome.counters.staleHits, 0, "\(mode) \(dropped)")
      }
    }
  }

  /// PSE-36: bits 20…13 of the entry are address bits 39…32; natively the frame is the TLB's.
  func testPagesBeyondFourGigabytes() throws {
    let guest = guest(2, ram: 32 << 30) { guest in
      guest.map(0x4040_0000, to: 0xc0_0000 | 0x5 << 13, size: .large)
      guest.boot()
      guest.read(0x4065_4321)
    }
    var configuration = Configuration(mode: .native, machine: MachineDescription(), guest: .scenario)
    configuration.recordsEvents = true
    let simulation = try Simulation(configuration)
    var batch = OperationBatch()
    for item in guest.items { batch.append(item.operation, words: item.words) }
    try simulation.replay(batch)
    let steps = try simulation.explain(VirtualAddress(0x4065_4321), Access(AccessKind.load, user: true))
    XCTAssertEqual(steps.last, .translated(MPN(0x5_00e5_4), size: .large))
    for mode in modes { XCTAssertEqual(try faults(guest, mode), []) }
  }

  /// Without PSE the entry of a page directory is a table's, whatever its bit 7; a change of PSE takes effect at once.
  func testPageSizeExtensions() throws {
    for mode in modes {
      let guest = guest(2) { guest in
        guest.map(0x4040_0000, to: 0x40_0000, size: .large)
        // The page is a table, if it is taken for one, of which one entry is present.
        guest.set(0x5007, at: 0x40_0004)
        guest.setTable(0x40_0000, level: 1)
        guest.boot()
        guest.read(0x4040_0000)
        guest.append(.loadCR4, 0)
        // What was used as part of the page first: nothing of it may be left.
        guest.read(0x4040_0000)
        guest.read(0x4040_1000)
        guest.append(.loadCR4, CR4.pse)
        guest.read(0x4040_1000)
        guest.read(0x4040_0000)
      }
      XCTAssertEqual(try faults(guest, mode), ["#\(guest.next - 5) va 40400000 code 4"], "\(mode)")
    }
  }

  /// An address has 32 bits, and an entry too.
  func testWhatHasMoreThan32Bits() throws {
    for levels in [2, 3] {
      let guest = guest(levels) { guest in
        guest.map(va, to: 0x5000)
        guest.boot()
        guest.read(va)
        guest.read(va | 1 << 32)
      }
      for mode in modes {
        XCTAssertEqual(try faults(guest, mode), ["#\(guest.next - 1) va 140605000 code GP"], "\(mode)")
      }
    }
    for (place, value) in [(0x10_1000, 1 << 32), (0x10_1002, 7)] as [(UInt64, UInt64)] {
      let guest = guest(2) { guest in
        guest.map(va, to: 0x5000)
        guest.boot()
        guest.store(value, at: place)
      }
      XCTAssertThrowsError(try guest.run(.native))
    }
  }

  // MARK: From one mode to another

  /// A kernel's way: without paging, 32-bit, PAE, off, and long mode; the same tables serve PAE and long mode.
  func testChangesOfMode() throws {
    var guest = Guest(levels: 4)
    guest.append(.ram, 1 << 30)
    guest.map(0x5000, to: 0x6000)
    // For 32-bit paging: a page directory at 200000, a table at 201000; 5000 there is page 7.
    guest.set(0x20_1007, at: 0x20_0000)
    guest.set(0x7007 << 32, at: 0x20_1010)
    for table in [0x20_0000, 0x20_1000] as [UInt64] { guest.setTable(table, level: 1) }
    let pointers = guest.entry(0x5000, level: 3) & ~0xfff
    // As a pointer of PAE paging the entry of level 3 may not grant anything.
    guest.set(guest.words[pointers, default: 0] & ~6, at: pointers)
    for table in guest.tableLevels.keys.sorted() { guest.announce(table) }
    guest.append(.loadCR0, 0x33)
    guest.append(.loadCR4, 0)
    guest.append(.loadEFER, 0)
    guest.cr3(0x20_0000)
    guest.write(0x5000)
    guest.read(0x3fff_f000)
    guest.append(.loadCR0, 0x8000_0033)
    guest.write(0x5000)
    guest.read(0x9000)
    let absent = guest.next - 1
    guest.append(.loadCR0, 0x33)
    guest.cr3(pointers)
    guest.append(.loadCR4, CR4.pae)
    guest.read(0x9000)
    guest.append(.loadCR0, 0x8000_0033)
    guest.write(0x5000, user: false)
    guest.append(.loadEFER, EFER.longMode)
    let refused = guest.next - 1
    guest.append(.loadCR0, 0x33)
    guest.append(.loadEFER, EFER.longMode | EFER.noExecute)
    guest.cr3(guest.root)
    guest.append(.loadCR0, 0x8000_0033)
    guest.write(0x5000, user: false)
    guest.append(.loadCR4, 0)
    let alsoRefused = guest.next - 1
    guest.read(0x5000, user: false)
    for mode in modes {
      let outcome = try guest.run(mode, on: .roomy)
      XCTAssertEqual(outcome.divergences, [], "\(mode)")
      XCTAssertEqual(
        outcome.faults.map(\.operation), [absent, refused, alsoRefused], "\(mode): \(outcome.faults)")
      // What each of the modes has marked: accessed and dirty.
      let tables = outcome.tables
      XCTAssertEqual(tables[0x20_1010, default: 0] >> 32, 0x7067, "\(mode)")
      XCTAssertEqual(tables[guest.entry(0x5000), default: 0] & 0x60, 0x60, "\(mode)")
    }
  }

  func testWhatCannotBeSetBeforeTheFirstAccess() throws {
    for (cr0, cr4, efer) in [
      (0x8000_0033, 0, 0x500), (0x8000_0033, 0x2_0020, 0), (0x8000_0033, 0x2_0000, 0),
    ] as [(UInt64, UInt64, UInt64)] {
      var guest = Guest(levels: 4)
      guest.append(.loadCR0, cr0)
      guest.append(.loadCR4, cr4)
      guest.append(.loadEFER, efer)
      guest.read(0)
      XCTAssertThrowsError(try guest.run(.native, on: .roomy))
    }
  }

  func testDirectPagingIsForFourLevels() throws {
    for levels in [0, 2, 3, 5] {
      var guest = Guest(levels: max(levels, 2))
      guest.map(va, to: 0x5000)
      guest.boot()
      if levels == 0 { guest.append(.loadCR0, 0x33) }
      guest.read(va)
      XCTAssertThrowsError(try guest.run(.direct, on: .roomy)) {
        XCTAssertTrue("\($0)".contains("expected four levels"), "\($0)")
      }
    }
  }
}
