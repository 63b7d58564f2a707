import Paging
import XCTest

@testable import Machine

/// Leaf tables that are out of step with their shadows: what must bring them into step, and which may not be.
final class ShadowUnsyncTests: XCTestCase {
  private static let used: EntryFlags = [.present, .writable, .user, .accessed, .dirty]

  private func run(_ guest: Guest, _ keys: [String] = []) throws -> Counters {
    var settings = Settings()
    for key in ["shadow.store=unsync"] + keys {
      let parts = key.split(separator: "=").map(String.init)
      XCTAssertNil(settings.set(parts[0], to: parts[1]), key)
    }
    let outcome = try guest.run(.shadow, on: .roomy, settings, batch: 1)
    XCTAssertEqual(outcome.divergences, [], "\(keys)")
    return outcome.counters
  }

  /// A page at 10000 whose level-1 table lies at 20000 too, and its directory at 21000; the page has been read.
  private func edited(_ value: UInt64?) -> (guest: Guest, table: UInt64, directory: UInt64) {
    var guest = Guest()
    guest.map(0x10000, to: 0x30_0000, [.present, .user, .accessed, .dirty])
    let table = guest.entry(0x10000) & ~0xfff
    let directory = guest.entry(0x10000, level: 2) & ~0xfff
    guest.map(0x20000, to: table, Self.used)
    guest.map(0x21000, to: directory, Self.used)
    guest.boot()
    guest.read(0x10000)
    if let value { guest.store(value, at: table + 0x80, va: 0x20080) }
    return (guest, table, directory)
  }

  func testEveryFlushBringsTheTableIntoStep() throws {
    for way in 0..<6 {
      var guest = edited(0).guest
      switch way {
      case 0: guest.invlpg(0x10000)
      case 1: guest.cr3(guest.root)
      case 2: guest.append(.loadCR4, CR4.pae | CR4.globalPages)
      case 3: guest.invpcid(0, va: 0x10000)
      case 4: guest.invpcid(1)
      default: guest.invpcid(2)
      }
      guest.fault(0x10000, 4)
      let counters = try run(guest)
      XCTAssertEqual(counters.shadowPagesUnsynced, 1, "\(way)")
      XCTAssertEqual(counters.shadowPagesResynced, way == 0 || way == 3 ? 0 : 1, "\(way)")
      XCTAssertEqual(counters.trueFaults, 1, "\(way)")
    }
  }

  /// A CPU that starts has nothing cached: it must not meet what another one has not flushed.
  func testACPUThatStartsFindsTheTablesInStep() throws {
    var guest = edited(0).guest
    guest.cpu(1)
    guest.cr3(guest.root)
    guest.fault(0x10000, 4)
    XCTAssertEqual(try run(guest).shadowPagesResynced, 1)
  }

  func testUpperTablesStayWatched() throws {
    var (guest, _, directory) = edited(nil)
    for index: UInt64 in 8..<11 { guest.store(0, at: directory + index * 8, va: 0x21000 + index * 8) }
    let counters = try run(guest)
    XCTAssertEqual(counters.traceFaultsShadow, 3)
    XCTAssertEqual(counters.shadowPagesUnsynced, 0)
  }

  func testATableThatSomebodyElseWatchesStaysWatched() throws {
    var (guest, table, _) = edited(nil)
    for index: UInt64 in 100..<103 { guest.store(0, at: table + index * 8, va: 0x20000 + index * 8) }
    let counters = try run(guest, ["trace.frame-buffer=\(String(table, radix: 16))+1000"])
    XCTAssertEqual(counters.traceFaultsFrameBuffer, 3)
    XCTAssertEqual(counters.shadowPagesUnsynced, 0)
  }

  /// The page is announced with other contents: its shadow is gone, and there is nothing to bring into step.
  func testATableThatIsAnnouncedAnewIsForgotten() throws {
    var (guest, table, _) = edited(0)
    guest.announce(table)
    guest.cr3(guest.root)
    XCTAssertEqual(try run(guest).shadowPagesResynced, 0)
  }

  /// The entry leads elsewhere and allows more, and is used before it is flushed.
  func testAFillReplacesALeafThatIsOutOfStep() throws {
    var guest = edited(0x31_0067).guest
    guest.write(0x10000)
    let counters = try run(guest)
    XCTAssertEqual(counters.causeUpgrade, 1)
    XCTAssertEqual(counters.trueFaults, 0)
  }
}
