import Paging
import XCTest

@testable import Machine

/// CR0.WP = 0 by flips of shadow entries (`shadow.wp=flip`): which entries turn, and who must not meet them.
final class WriteProtectTests: XCTestCase {
  private static let clear: UInt64 = 0x8004_0033
  private static let set: UInt64 = 0x8005_0033
  private static let readOnly: EntryFlags = [.present, .user, .accessed, .dirty]
  private static let used: EntryFlags = [.present, .writable, .user, .accessed, .dirty]

  /// Native sees the same faults, without any hidden one.
  private func run(_ guest: Guest, _ mode: Mode = .shadow, _ keys: [String] = []) throws -> Outcome {
    var settings = Settings()
    for key in ["shadow.wp=flip"] + keys {
      let parts = key.split(separator: "=").map(String.init)
      XCTAssertNil(settings.set(parts[0], to: parts[1]), key)
    }
    let outcome = try guest.run(mode, on: .roomy, settings, batch: 1)
    XCTAssertEqual(outcome.divergences, [], "\(mode) \(keys)")
    XCTAssertEqual(outcome.faults, try guest.run(.native, on: .roomy, settings).faults, "\(mode) \(keys)")
    return outcome
  }

  private func flips(_ outcome: Outcome) -> [UInt64] {
    [outcome.counters.hiddenFill, outcome.counters.writeProtectFlips, outcome.counters.writeProtectFlipsBack]
  }

  /// The entry that forbids stores is above the leaf: it turns for all pages below, and a load of the supervisor's of
  /// another page leaves it turned.
  func testUpperEntriesTurn() throws {
    var guest = Guest()
    for va: UInt64 in [0x10000, 0x11000] { guest.map(va, to: 0x30_0000 + va, Self.used) }
    guest.set((guest.entry(0x10000) & ~0xfff) | Self.readOnly.rawValue, at: guest.entry(0x10000, level: 2))
    guest.append(.loadCR0, Self.clear)
    guest.boot()
    guest.write(0x10000, user: false)
    guest.read(0x11000, user: false)
    guest.invlpg(0x10000)
    guest.write(0x10000, user: false)
    let outcome = try run(guest)
    XCTAssertEqual(flips(outcome), [2, 0, 0])
    guest.read(0x10000)
    guest.write(0x10000)
    guest.write(0x10000, user: false)
    guest.write(0x11000, user: false)
    let turned = try run(guest)
    XCTAssertEqual(turned.faults.map(\.code), [7])
    XCTAssertEqual(flips(turned), [2, 1, 1])
  }

  /// A page of the supervisor's needs no turning: no user reaches it.
  func testTheSupervisorsPagesAreWritableAtOnce() throws {
    var guest = Guest()
    guest.map(0x10000, to: 0x30_0000, [.present, .accessed, .dirty])
    guest.append(.loadCR0, Self.clear)
    guest.boot()
    guest.read(0x10000, user: false)
    guest.write(0x10000, user: false)
    guest.fetch(0x10000, user: false)
    guest.append(.loadCR0, Self.set)
    guest.write(0x10000, user: false)
    guest.read(0x10000, user: false)
    let outcome = try run(guest)
    XCTAssertEqual(outcome.faults.map(\.code), [3])
    XCTAssertEqual(flips(outcome), [2, 0, 0])
  }

  /// One CPU with WP clear, one with WP set, one address space: each has shadows of its own, and the second's TLB never
  /// gets what was turned for the first. A store to the table drops what both have.
  func testCPUsOfDifferentRoles() throws {
    var guest = Guest()
    guest.map(0x10000, to: 0x30_0000, Self.readOnly)
    let entry = guest.entry(0x10000)
    guest.append(.loadCR0, Self.clear)
    guest.boot()
    guest.write(0x10000, user: false)
    guest.cpu(1)
    guest.append(.loadCR0, Self.set)
    guest.cr3(guest.root)
    guest.write(0x10000, user: false)
    guest.read(0x10000)
    guest.cpu(0)
    guest.write(0x10008, user: false)
    guest.store(0x31_0065, at: entry)
    for cpu: UInt64 in [0, 1] {
      guest.cpu(cpu)
      guest.invlpg(0x10000)
      guest.read(0x10000)
      guest.write(0x10000, user: false)
    }
    let outcome = try run(guest)
    XCTAssertEqual(outcome.faults.map(\.code), [3, 3])
    XCTAssertEqual(outcome.counters.shadowPagesMade, 8)
    XCTAssertEqual(flips(outcome), [4, 1, 0])
    XCTAssertEqual(outcome.counters.hiddenTrace, 1)
  }

  /// WP is set while the TLB has a turned entry: the next store must fault.
  func testSettingWPLeavesNothingTurned() throws {
    for mode in [Mode.shadow, .emulatedTLB] {
      var guest = Guest()
      guest.map(0x10000, to: 0x30_0000, Self.readOnly)
      guest.append(.loadCR0, Self.clear)
      guest.boot()
      guest.read(0x10000)
      for cr0 in [Self.clear, Self.set, Self.clear] {
        guest.append(.loadCR0, cr0)
        guest.write(0x10000, user: false)
        guest.read(0x10000)
      }
      XCTAssertEqual(try run(guest, mode).faults.map(\.code), [3], "\(mode)")
    }
  }

  /// SMAP refuses the supervisor user pages, and the hardware must know them for such; SMEP without NX likewise.
  func testWhereNothingTurns() throws {
    for mode in [Mode.shadow, .emulatedTLB] {
      var guest = Guest()
      guest.map(0x10000, to: 0x30_0000, Self.readOnly)
      guest.append(.loadCR0, Self.clear)
      guest.boot()
      guest.write(0x10000, user: false)
      guest.append(.loadCR4, CR4.pae | CR4.smap)
      guest.read(0x10000, user: false)
      guest.write(0x10000, user: false)
      guest.append(.loadCR4, CR4.pae | CR4.smep)
      guest.write(0x10000, user: false)
      guest.fetch(0x10000, user: false)
      XCTAssertEqual(try run(guest, mode, ["guest.ac=0"]).faults.map(\.code), [1, 3, 0x11], "\(mode)")

      var plain = Guest()
      plain.map(0x10000, to: 0x30_0000, Self.readOnly)
      plain.append(.loadCR0, Self.clear)
      plain.append(.loadCR4, CR4.pae | CR4.smep)
      plain.append(.loadEFER, 0x500)
      plain.boot()
      plain.write(0x10000, user: false)
      plain.fetch(0x10000, user: false)
      plain.write(0x10000, user: false)
      let outcome = try run(plain, mode)
      XCTAssertEqual(outcome.faults.map(\.code), [0x11], "\(mode)")
      XCTAssertEqual(outcome.counters.causeWriteProtect, 2, "\(mode)")
      XCTAssertEqual(outcome.counters.writeProtectFlips, 0, "\(mode)")
    }
  }

  /// A table that is out of step is so in the shadows of every role.
  func testATableOutOfStepIsBroughtIntoStep() throws {
    var guest = Guest()
    guest.map(0x10000, to: 0x30_0000, Self.used)
    let table = guest.entry(0x10000) & ~0xfff
    guest.map(0x20000, to: table, Self.used)
    guest.append(.loadCR0, Self.clear)
    guest.boot()
    guest.read(0x10000)
    guest.store(0, at: table | 0x80, va: 0x20080)
    guest.cr3(guest.root)
    guest.read(0x10000)
    let outcome = try run(guest, .shadow, ["shadow.store=unsync"])
    XCTAssertEqual(outcome.faults.map(\.code), [4])
    XCTAssertEqual([outcome.counters.shadowPagesUnsynced, outcome.counters.shadowPagesResynced], [1, 1])
  }

  /// A large page turns as one, in parts or whole, in the emulated TLB part by part; and then no user may store to it.
  func testALargePageTurns() throws {
    for (mode, large) in [(Mode.shadow, "splinter"), (.shadow, "keep"), (.emulatedTLB, "splinter")] {
      var guest = Guest()
      guest.map(0x20_0000, to: 0x60_0000, Self.readOnly, size: .large)
      guest.append(.loadCR0, Self.clear)
      guest.boot()
      guest.read(0x20_0000)
      guest.write(0x20_0000, user: false)
      guest.write(0x20_1000, user: false)
      guest.write(0x20_1000)
      guest.read(0x20_0000)
      let outcome = try run(guest, mode, ["shadow.large=\(large)"])
      XCTAssertEqual(outcome.faults.map(\.code), [7], "\(mode) \(large)")
      XCTAssertEqual(flips(outcome), [large == "keep" ? 1 : 2, 1, 1], "\(mode) \(large)")
    }
  }
}
