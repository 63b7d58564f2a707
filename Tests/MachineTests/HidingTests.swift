import Paging
import XCTest

@testable import Machine

/// `monitor.hiding`: what the monitor's own space, its guarded range, and truncated segments do to the guest.
final class HidingTests: XCTestCase {
  private static var ready: EntryFlags { [.present, .writable, .user, .accessed, .dirty] }
  private let modes: [Mode] = [.emulatedTLB, .shadow]

  private func run(_ guest: Guest, _ mode: Mode, _ keys: [String: String]) throws -> Outcome {
    var settings = Settings()
    for (key, value) in keys { XCTAssertNil(settings.set(key, to: value), key) }
    let outcome = try guest.run(mode, on: .roomy, settings, batch: 1)
    XCTAssertEqual(outcome.divergences, [], "\(mode) \(keys)")
    return outcome
  }

  func testItsOwnAddressSpaceFlushesAtEachExit() throws {
    var guest = Guest()
    for page: UInt64 in 0..<3 { guest.map(0x10000 + page << 12, to: 0x20_0000 + page << 12, Self.ready) }
    guest.boot()
    for _ in 0..<4 {
      guest.read(0x10000)
      guest.read(0x11000)
    }
    // An exit that has nothing to do with them.
    guest.invlpg(0x50000)
    guest.read(0x10000)
    guest.read(0x11000)
    for mode in modes {
      let off = try run(guest, mode, [:]).counters
      XCTAssertEqual([off.tlbMisses, off.monitorFlushes], [2, 0], "\(mode)")
      let own = try run(guest, mode, ["monitor.hiding": "address-space"]).counters
      // The fault of the second page has dropped the first one: once more each.
      XCTAssertEqual(own.tlbMisses, 5, "\(mode)")
      XCTAssertEqual(own.monitorFlushes, 2 * own.exits, "\(mode)")
      XCTAssertEqual(own.hiddenFaults, off.hiddenFaults, "\(mode)")
      let tagged = try run(guest, mode, ["monitor.hiding": "address-space", "monitor.tlb": "tagged"]).counters
      XCTAssertEqual(tagged, off, "\(mode)")
    }
    let native = try run(guest, .native, ["monitor.hiding": "address-space"]).counters
    XCTAssertEqual(native, try run(guest, .native, [:]).counters)
  }

  func testEachAccessToAGuardedRangeIsEmulated() throws {
    var guest = Guest()
    guest.map(0x40_0000, to: 0x20_0000)
    guest.map(0x40_1000, to: 0x20_1000, .readUser)
    guest.map(0x1f_f000, to: 0x20_2000)
    guest.map(0x60_0000, to: 0x20_3000)
    guest.boot()
    for _ in 0..<3 { guest.read(0x40_0000) }
    guest.write(0x40_0008)
    guest.fetch(0x40_0010)
    // A true fault stays one.
    guest.write(0x40_1000)
    // The neighbours are mapped as ever.
    for va: UInt64 in [0x1f_f000, 0x60_0000, 0x1f_f000, 0x60_0000] { guest.write(va) }
    let keys = ["monitor.hiding": "protection", "monitor.range": "400000+200000"]
    let native = try run(guest, .native, keys)
    for mode in modes {
      let outcome = try run(guest, mode, keys)
      XCTAssertEqual(outcome.counters.causeMonitor, 5, "\(mode)")
      XCTAssertEqual(outcome.counters.hiddenOther, 5, "\(mode)")
      XCTAssertEqual(outcome.counters.hiddenFill, 2, "\(mode)")
      XCTAssertEqual(outcome.faults, native.faults, "\(mode)")
      XCTAssertEqual(outcome.tables, native.tables, "\(mode)")
    }
  }

  /// A level-2 table at two places, of which one is the monitor's: the shadow of it serves both.
  func testASharedTableDoesNotOpenTheRange() throws {
    var guest = Guest()
    guest.map(0x40_0000, to: 0x20_0000, Self.ready)
    guest.map(0x20_0000, to: 0x20_1000, Self.ready)
    guest.set(guest.words[guest.entry(0, level: 3), default: 0], at: guest.entry(0, level: 3) | 8)
    guest.boot()
    // By the other way first: filled, since nobody knows yet.
    guest.read(0x4040_0000)
    guest.read(0x4040_0000)
    guest.read(0x20_0000)
    guest.read(0x40_0000)
    // The entry stands for the range now.
    guest.read(0x4040_0000)
    guest.read(0x4020_0000)
    let keys = ["monitor.hiding": "protection", "monitor.range": "400000+200000"]
    let shadow = try run(guest, .shadow, keys).counters
    XCTAssertEqual([shadow.causeMonitor, shadow.hiddenFill], [2, 2])
    let emulated = try run(guest, .emulatedTLB, keys).counters
    XCTAssertEqual([emulated.causeMonitor, emulated.hiddenFill], [1, 3])
  }

  /// The same behind two pointers of PAE paging, which no shadow holds.
  func testASharedDirectoryDoesNotOpenTheRange() throws {
    var guest = Guest(levels: 3)
    guest.map(0xfc00_0000, to: 0x20_0000, Self.ready)
    guest.map(0xfbe0_0000, to: 0x20_1000, Self.ready)
    guest.set(guest.words[guest.root + 24, default: 0], at: guest.root + 16)
    guest.boot()
    for va in [0xbc00_0000, 0xbc00_0000, 0xfbe0_0000, 0xfc00_0000, 0xbc00_0000, 0xbbe0_0000] as [UInt64] {
      guest.read(va)
    }
    let counters = try run(guest, .shadow, ["monitor.hiding": "protection", "monitor.range": "xen-32"]).counters
    XCTAssertEqual([counters.causeMonitor, counters.hiddenFill], [2, 2])
  }

  /// A guest's table, mapped in the range alone: the store is emulated, and the shadow follows it.
  func testStoresThroughTheRangeReachTheTraces() throws {
    var guest = Guest()
    guest.map(0x10000, to: 0x20_0000, Self.ready)
    let place = guest.entry(0x10000)
    guest.map(0x40_0000, to: place & ~0xfff, Self.ready)
    guest.boot()
    guest.read(0x10000)
    guest.store(0x20_1067, at: place, va: 0x40_0000 | place & 0xfff)
    guest.invlpg(0x10000)
    guest.read(0x10000)
    let keys = ["monitor.hiding": "protection", "monitor.range": "400000+200000"]
    let counters = try run(guest, .shadow, keys).counters
    XCTAssertEqual([counters.causeMonitor, counters.traceFaultsShadow, counters.hiddenFill], [1, 1, 2])
  }

  func testTruncatedSegmentsTakeTheRangeFromTheGuest() throws {
    var guest = Guest()
    guest.map(0x40_0000, to: 0x20_0000)
    guest.map(0x3f_f000, to: 0x20_1000)
    guest.boot()
    guest.read(0x40_0000)
    guest.read(0x40_0000)
    guest.read(0x3f_f000)
    // The second half is lost, so the access is not performed.
    guest.write(0x3f_fffc)
    let keys = ["monitor.hiding": "truncation", "monitor.range": "400000+200000"]
    for mode in modes {
      let counters = try run(guest, mode, keys).counters
      XCTAssertEqual(counters.generalProtections, 3, "\(mode)")
      XCTAssertEqual([counters.causeMonitor, counters.trueFaults], [0, 0], "\(mode)")
      XCTAssertEqual(counters.translations, 2, "\(mode)")
    }
    XCTAssertEqual(try run(guest, .nested, keys).counters.generalProtections, 0)
  }

  func testRangesAreWholeEntriesOfOneTable() {
    let levels = [
      "xen-32": 2, "xen-64": 4, "top": 2, "0x8000000000+8000000000": 4, "40000000+80000000": 3,
      "40000000+40000000": 3,
    ]
    for (text, level) in levels { XCTAssertEqual(MonitorRange(text)?.level, level, text) }
    for text in ["1000+200000", "200000+1000", "3fe00000+400000", "0+0", "x", "8000000000000000+200000"] {
      XCTAssertNil(MonitorRange(text), text)
    }
    XCTAssertEqual(MonitorRange.xen32.indices(level: 2), 480...511)
    XCTAssertEqual(MonitorRange.xen64.indices(level: 4), 256...271)
    XCTAssertEqual(MonitorRange.top64.contains(VirtualAddress(.max)), true)
    XCTAssertEqual(MonitorRange.xen32.contains(VirtualAddress(1 << 32)), false)
  }
}
