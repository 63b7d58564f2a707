import Paging
import XCTest

@testable import Machine

/// Large pages that shadow paging keeps whole (`shadow.large=keep`), and what traces on pages inside do to them.
final class ShadowLargeTests: XCTestCase {
  private static let used: EntryFlags = [.present, .writable, .user, .accessed, .dirty]
  private let va: UInt64 = 0x40_0000
  private let window: UInt64 = 0x7f_0000_0000
  private let memory: UInt64 = 0x4000_0000
  /// A level-1 table in the middle of the memory, which nothing leads to at first.
  private var table: UInt64 { memory + 0x5000 }

  private func run(_ guest: Guest) throws -> Outcome {
    var settings = Settings()
    XCTAssertNil(settings.set("shadow.large", to: "keep"))
    let outcome = try guest.run(.shadow, on: .roomy, settings, batch: 1)
    XCTAssertEqual(outcome.divergences, [])
    return outcome
  }

  /// The window is one page of a size. Returns the place of the entry that could lead to the table.
  private func guest(_ size: PageSize) -> (guest: Guest, link: UInt64) {
    var guest = Guest()
    guest.map(va, to: 0, Self.used)
    let link = guest.entry(va, level: 2)
    guest.set(0, at: link)
    guest.map(window, to: memory, Self.used, size: size)
    guest.set(0x30_0067, at: table)
    guest.boot()
    guest.announce(table)
    return (guest, link)
  }

  /// One fill serves all of it, until a page inside is a table; then the rest comes in the largest parts that hold no
  /// table, and when the page is data again one fill serves all once more.
  func testATableInsideBreaksALargePageAndItsEndMendsIt() throws {
    for (size, parts) in [(PageSize.large, UInt64(0)), (.huge, 1)] {
      var (guest, link) = guest(size)
      guest.write(window)
      guest.write(window + 0x1f_f000)
      guest.store(table | 0x67, at: link)
      guest.read(va)
      // Beside the table, and in another 2 MiB, where there is one.
      let far = window + (size == .huge ? 0x60_0000 : 0x8000)
      guest.write(window + 0x6000)
      guest.write(far)
      if size == .huge { guest.write(far + 0x1000) }
      guest.store(0x31_0067, at: table, va: window + 0x5000)
      guest.store(0, at: link)
      guest.invlpg(va)
      guest.write(window + 0x5008)
      guest.write(window + 0x9000)
      guest.write(window + 0x5010)
      guest.write(far)
      let counters = try run(guest).counters
      // The first, the table, two parts, and the whole again.
      XCTAssertEqual(counters.hiddenFill, 5, "\(size)")
      XCTAssertEqual(counters.shadowLargeMade, 2 + parts, "\(size)")
      XCTAssertEqual(counters.shadowLargeBroken, 1, "\(size)")
      // To the table, to the entry that leads to it, and to the page that is no table any more.
      XCTAssertEqual(counters.hiddenTrace, 3, "\(size)")
    }
  }

  /// The guest touches the large entry in a way that needs no flush: no leaf has the right to write any more, but the
  /// TLB does, for all of the large page. A table found inside must have its stores seen.
  func testTheRightOfALargeLeafThatIsGoneIsFlushed() throws {
    for size in [PageSize.large, .huge] {
      var (guest, link) = guest(size)
      guest.write(window + 0x8000)
      guest.store(memory | Self.used.rawValue | 0x280, at: guest.entry(window, level: size.level))
      guest.store(table | 0x67, at: link)
      guest.read(va)
      guest.store(0, at: table, va: window + 0x5000)
      guest.invlpg(va)
      guest.read(va)
      let outcome = try run(guest)
      XCTAssertEqual(outcome.faults.map(\.code), [4], "\(size)")
      XCTAssertEqual(outcome.counters.traceFaultsByLevel[1], 1, "\(size)")
    }
  }

  /// Memory that is not in one piece is not kept whole: a page inside has got a frame of its own.
  func testAMovedPageKeepsTheLargePageInParts() throws {
    for (size, large) in [(PageSize.large, UInt64(0)), (.huge, 1)] {
      var guest = guest(size).guest
      guest.write(window + 0x8000)
      guest.write(window + 0x9000)
      guest.write(window + 0x40_0000 % (size.pages << 12))
      var settings = Settings()
      XCTAssertNil(settings.set("shadow.large", to: "keep"))
      XCTAssertNil(settings.set("trace.cow", to: "40008000+1000"))
      let outcome = try guest.run(.shadow, on: .roomy, settings, batch: 1)
      XCTAssertEqual(outcome.divergences, [])
      XCTAssertEqual(outcome.counters.framesCopied, 1)
      XCTAssertEqual(outcome.counters.shadowLargeMade, large)
    }
  }
}
