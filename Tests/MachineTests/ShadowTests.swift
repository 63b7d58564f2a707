import Paging
import XCTest

@testable import Machine

/// The designs of shadow paging, each with the counts that it must give.
final class ShadowTests: XCTestCase {
  static let used: EntryFlags = [.present, .writable, .user, .accessed, .dirty]

  func run(_ guest: Guest, _ mode: Mode = .shadow, _ keys: [String] = []) throws -> Counters {
    var settings = Settings()
    for key in keys {
      let parts = key.split(separator: "=").map(String.init)
      XCTAssertNil(settings.set(parts[0], to: parts[1]), key)
    }
    let outcome = try guest.run(mode, on: .roomy, settings, batch: 1)
    XCTAssertEqual(outcome.divergences, [], "\(mode) \(keys)")
    return outcome.counters
  }

  /// Address spaces of some pages each, all at 10000 and up, with no table in common.
  private func processes(_ count: Int, pages: UInt64) -> (guest: Guest, roots: [UInt64]) {
    var guest = Guest()
    var roots = [guest.root]
    for _ in 1..<count { roots.append(guest.addRoot()) }
    for (number, root) in roots.enumerated() {
      for page in 0..<pages {
        guest.map(0x10000 + page << 12, to: UInt64(number + 2) << 20 | page << 12, Self.used, root: root)
      }
    }
    guest.boot()
    return (guest, roots)
  }

  private func roundRobin(_ count: Int, pages: UInt64, rounds: Int) -> Guest {
    var (guest, roots) = processes(count, pages: pages)
    for _ in 0..<rounds {
      for root in roots {
        guest.cr3(root)
        for page in 0..<pages { guest.read(0x10000 + page << 12) }
      }
    }
    return guest
  }

  /// The emulated TLB fills W pages after each of the switches, shadow tables fill each page once.
  func testProcessesInTurn() throws {
    let guest = roundRobin(3, pages: 4, rounds: 5)
    XCTAssertEqual(try run(guest, .emulatedTLB).hiddenFill, 3 * 4 * 5)
    let shadow = try run(guest)
    XCTAssertEqual(shadow.hiddenFill, 3 * 4)
    XCTAssertEqual(shadow.shadowPagesMade, 3 * 4)
    XCTAssertEqual(shadow.causeTable, 3)
    XCTAssertEqual(shadow.causeLeaf, 9)
  }

  /// Two processes in a cache of one's four tables: each switch makes four shadows anew, and fills every page again.
  func testACacheThatIsTooSmallIsAnEmulatedTLB() throws {
    let guest = roundRobin(2, pages: 4, rounds: 3)
    for order in ["oldest", "lru"] {
      let counters = try run(guest, .shadow, ["shadow.pages=4", "shadow.evict=\(order)"])
      XCTAssertEqual(counters.shadowPagesMade, 4 * 6, order)
      XCTAssertEqual(counters.shadowPagesEvicted, 4 * 5, order)
      XCTAssertEqual(counters.shadowPagesPeak, 4, order)
      XCTAssertEqual(counters.hiddenFill, 4 * 6, order)
    }
  }

  /// Three leaf tables where two have room: the one filled last survives under LRU, the one made last otherwise.
  func testOrderOfEviction() throws {
    var guest = Guest()
    for va: UInt64 in [0x0, 0x1000, 0x2000, 0x20_0000, 0x40_0000] { guest.map(va, to: 0x80_0000 + va, Self.used) }
    guest.boot()
    for va: UInt64 in [0x0, 0x20_0000, 0x1000, 0x40_0000, 0x2000] { guest.read(va) }
    XCTAssertEqual(try run(guest, .shadow, ["shadow.pages=5", "shadow.evict=oldest"]).shadowPagesMade, 7)
    XCTAssertEqual(try run(guest, .shadow, ["shadow.pages=5", "shadow.evict=lru"]).shadowPagesMade, 6)
  }

  /// Two CPUs in a cache of one's four tables: each drives out the other's, but for the root it runs on.
  func testRootsInUseStay() throws {
    var (guest, roots) = processes(2, pages: 2)
    guest.read(0x10000)
    guest.cpu(1)
    guest.cr3(roots[1])
    guest.read(0x10000)
    guest.cpu(0)
    guest.read(0x11000)
    let counters = try run(guest, .shadow, ["shadow.pages=4"])
    XCTAssertEqual(counters.shadowPagesMade, 11)
    XCTAssertEqual(counters.shadowPagesEvicted, 6)
  }

  /// A dead process's top-level table is swept with 512 stores of 0 (the recordings have hundreds of such sweeps).
  func testSignsThatAPageIsNoTable() throws {
    var (guest, roots) = processes(2, pages: 1)
    guest.cr3(roots[1])
    guest.read(0x10000)
    guest.cr3(roots[0])
    for index: UInt64 in 0..<512 { guest.store(0, at: roots[1] + index * 8) }
    let faults = ["off": 512, "user": 512, "misaligned": 512, "zeros": 2, "flood": 3, "all": 2] as [String: UInt64]
    for (sign, count) in faults.sorted(by: { $0.key < $1.key }) {
      let counters = try run(guest, .shadow, ["shadow.unshadow=\(sign)"])
      XCTAssertEqual(counters.traceFaultsShadow, count, sign)
      XCTAssertEqual(counters.shadowPagesRecycled, count == 512 ? 0 : 1, sign)
    }
  }

  /// A walk through the table between the stores shows that it is one still.
  func testAWalkEndsTheRunOfStores() throws {
    var guest = Guest()
    for va: UInt64 in [0x10000, 0x11000, 0x12000] { guest.map(va, to: 0x30_0000 + va, Self.used) }
    guest.boot()
    guest.read(0x10000)
    let directory = guest.entry(0x10000, level: 2) & ~0xfff
    for va: UInt64 in [0x11000, 0x12000] {
      guest.store(0, at: directory + 0x800)
      guest.read(va)
    }
    for sign in ["shadow.unshadow=zeros", "shadow.unshadow=flood"] {
      XCTAssertEqual(try run(guest, .shadow, [sign, "shadow.flood=2"]).shadowPagesRecycled, 0, sign)
      XCTAssertEqual(try run(guest, .shadow, [sign, "shadow.flood=1", "shadow.zeros=1"]).shadowPagesRecycled, 2, sign)
    }
  }

  /// A leaf table in use is cleared by user code, or by bytes: signs of their own. Flood is for upper tables.
  func testSignsInOneStore() throws {
    for (sign, user, size) in [("user", true, UInt16(8)), ("misaligned", false, 1)] {
      for chosen in ["off", "user", "misaligned", "flood"] {
        var guest = Guest()
        guest.map(0x10000, to: 0x30_0000, Self.used)
        guest.map(0x20_0000, to: guest.entry(0x10000) & ~0xfff, Self.used)
        guest.boot()
        guest.read(0x10000)
        for index: UInt64 in 100..<105 {
          let place = (guest.entry(0x10000) & ~0xfff) + index * 8
          guest.store(8, at: place, va: 0x20_0000 + index * 8, size: size, user: user)
        }
        let counters = try run(guest, .shadow, ["shadow.unshadow=\(chosen)"])
        XCTAssertEqual(counters.traceFaultsShadow, chosen == sign ? 1 : 5, "\(sign) \(chosen)")
      }
    }
  }

  /// One leaf table under two parents with different rights: neither leaks, whatever is made ahead.
  func testRightsDoNotLeakBetweenParents() throws {
    for design in ["invalidate", "update", "unsync"] {
      var guest = Guest()
      guest.map(0x10000, to: 0x30_0000, Self.used)
      guest.map(0x11000, to: 0x30_1000, Self.used)
      let table = guest.entry(0x10000) & ~0xfff
      guest.set(table | 0x25, at: guest.entry(0x20_0000, level: 2))
      guest.boot()
      guest.read(0x21_0000)
      guest.write(0x10000)
      guest.fault(0x21_0000, 7)
      guest.read(0x21_1000)
      guest.write(0x11000)
      guest.fault(0x21_1000, 7)
      let counters = try run(guest, .shadow, ["shadow.store=\(design)", "shadow.prefetch=8"])
      XCTAssertEqual(counters.trueFaults, 2, design)
      XCTAssertEqual(counters.shadowPagesMade, 4, design)
    }
  }

  /// A 2 MiB mapping contains a table page: stores to it are seen, those beside it run free.
  func testALargePageThatContainsATable() throws {
    var guest = Guest()
    guest.map(0x10000, to: 0x30_0000, Self.used)
    guest.map(0x4000_0000, to: 0, Self.used, size: .large)
    guest.boot()
    guest.read(0x10000)
    let place = guest.entry(0x10000)
    guest.store(0x31_0067, at: place, va: 0x4000_0000 + place)
    guest.write(0x4000_0000 + 0x18_0000)
    guest.invlpg(0x10000)
    guest.read(0x10000)
    let counters = try run(guest)
    XCTAssertEqual(counters.traceFaultsShadow, 1)
    XCTAssertEqual(counters.hiddenTrace, 1)
  }
}
