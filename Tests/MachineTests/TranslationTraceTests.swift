import Paging
import XCTest

@testable import Machine

/// The translator's memory traces: `cpu.technique=binary-translation`.
final class TranslationTraceTests: XCTestCase {
  private static var ready: EntryFlags { [.present, .writable, .user, .accessed, .dirty] }

  private func run(_ guest: Guest, _ mode: Mode, checks: Bool = true) throws -> Counters {
    var settings = Settings()
    XCTAssertNil(settings.set("cpu.technique", to: "binary-translation"))
    let outcome = try guest.run(mode, on: .roomy, settings, checks: checks, batch: 1)
    XCTAssertEqual(outcome.divergences, [], "\(mode)")
    return outcome.counters
  }

  /// Code at 10000 and, writable, at 11000.
  private var code: Guest {
    var guest = Guest()
    guest.map(0x10000, to: 0x20_0000, Self.ready)
    guest.map(0x11000, to: 0x20_0000, Self.ready)
    guest.boot()
    return guest
  }

  func testAStoreToTranslatedCodeInvalidatesItOnce() throws {
    var guest = code
    // The alias is writable already, in the tables and in the TLB.
    guest.write(0x11000, user: false)
    guest.fetch(0x10000, user: false)
    guest.fetch(0x10010, user: false)
    guest.write(0x11000, user: false)
    // Nothing is translated from it any more, so nobody watches.
    guest.write(0x11008, user: false)
    guest.write(0x11010, user: false)
    guest.fetch(0x10000, user: false)
    guest.write(0x11000, user: false)
    for mode in [Mode.shadow, .emulatedTLB] {
      for checks in [true, false] {
        let c = try run(guest, mode, checks: checks)
        XCTAssertEqual(
          [c.pagesTranslated, c.translationsInvalidated, c.traceFaultsTranslations], [2, 2, 2], "\(mode)")
        XCTAssertEqual(c.hiddenTrace, 2, "\(mode)")
      }
    }
  }

  func testUserCodeIsNotTranslated() throws {
    var guest = code
    guest.fetch(0x10000)
    guest.write(0x11000)
    for mode in Mode.allCases {
      let c = try run(guest, mode)
      XCTAssertEqual([c.pagesTranslated, c.traceFaultsTranslations], [0, 0], "\(mode)")
    }
  }

  func testOnlyATranslatorWatchesCode() throws {
    var guest = code
    guest.fetch(0x10000, user: false)
    guest.write(0x11000, user: false)
    for mode in Mode.allCases {
      XCTAssertEqual(try guest.run(mode, on: .roomy).counters.pagesTranslated, 0, "\(mode)")
    }
    for mode in [Mode.native, .nested, .direct] { XCTAssertEqual(try run(guest, mode).pagesTranslated, 0, "\(mode)") }
  }

  /// A page-table store through no mapping is seen as well.
  func testStoresThatAreNoAccessInvalidateToo() throws {
    var guest = code
    guest.fetch(0x10000, user: false)
    guest.store(0x1234, at: 0x20_0010)
    for mode in [Mode.shadow, .emulatedTLB] {
      let c = try run(guest, mode)
      XCTAssertEqual([c.translationsInvalidated, c.traceFaultsTranslations], [1, 1], "\(mode)")
    }
  }
}
