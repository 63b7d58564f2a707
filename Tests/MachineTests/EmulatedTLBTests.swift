import Paging
import XCTest

@testable import Machine

/// How large the emulated TLB is, whose translations it holds, and where it meets the shadow tables.
final class EmulatedTLBTests: XCTestCase {
  private static var ready: EntryFlags { [.present, .writable, .user, .accessed, .dirty] }

  private func run(_ guest: Guest, _ mode: Mode, _ keys: [String: String] = [:]) throws -> Counters {
    var settings = Settings()
    for (key, value) in keys { XCTAssertNil(settings.set(key, to: value), key) }
    let outcome = try guest.run(mode, on: .roomy, settings, batch: 1)
    XCTAssertEqual(outcome.divergences, [], "\(mode) \(keys)")
    return outcome.counters
  }

  /// Six pages over and over: with room for six one fault each, with room for five the oldest is always the next.
  func testTheOldestLeafGoesFirst() throws {
    var guest = Guest()
    for page: UInt64 in 0..<6 { guest.map(0x10000 + page << 12, to: 0x20_0000 + page << 12, Self.ready) }
    guest.boot()
    for _ in 0..<4 { for page: UInt64 in 0..<6 { guest.read(0x10000 + page << 12) } }
    for capacity in ["0", "6", "100"] {
      let counters = try run(guest, .emulatedTLB, ["emulated-tlb.capacity": capacity])
      XCTAssertEqual([counters.hiddenFill, counters.emulatedTLBEvicted], [6, 0], capacity)
    }
    let small = try run(guest, .emulatedTLB, ["emulated-tlb.capacity": "5"])
    XCTAssertEqual([small.hiddenFill, small.emulatedTLBEvicted, small.tlbMisses], [24, 19, 24])
    // First in, first out: a use does not make a leaf younger.
    var order = Guest()
    for page: UInt64 in 0..<3 { order.map(0x10000 + page << 12, to: 0x20_0000 + page << 12, Self.ready) }
    order.boot()
    for page: UInt64 in [0, 1, 0, 2, 0] { order.read(0x10000 + page << 12) }
    XCTAssertEqual(try run(order, .emulatedTLB, ["emulated-tlb.capacity": "2"]).hiddenFill, 4)
  }

  /// Three processes of four pages each, round robin. `keeps`: CR3 loads keep what is cached (bit 63).
  private func roundRobin(keeps: Bool, stores: Bool = false) -> Guest {
    var guest = Guest()
    let roots = [guest.root, guest.addRoot(), guest.addRoot()]
    for root in roots {
      for page: UInt64 in 0..<4 { guest.map(0x10000 + page << 12, to: 0x20_0000 + page << 12, Self.ready, root: root) }
    }
    guest.boot(cr4: ControlRegisters.initial.cr4 | CR4.pcid)
    for round in 0..<5 {
      for (index, root) in roots.enumerated() {
        guest.cr3(root | UInt64(index) | (keeps ? CR3.noFlush : 0))
        for page: UInt64 in 0..<4 { guest.read(0x10000 + page << 12) }
        // A page that is not mapped, and that nobody uses.
        if stores { guest.store(UInt64(round) << 12, at: guest.entry(0x50000, root: root)) }
      }
    }
    return guest
  }

  /// Without a limit, with a table a PCID, and with a guest that keeps what it may keep, the emulated TLB has the fills
  /// of shadow tables. It cannot where the guest flushes at the load: what the next walk finds is not known without
  /// traces, so the table must go; and it never pays for a store, which shadow tables do.
  func testTaggedAndUnlimitedItMeetsTheShadowTables() throws {
    let keeping = roundRobin(keeps: true)
    let tagged = ["emulated-tlb.tags": "pcid"]
    XCTAssertEqual(try run(keeping, .shadow).hiddenFill, 12)
    XCTAssertEqual(try run(keeping, .emulatedTLB, tagged).hiddenFill, 12)
    XCTAssertEqual(try run(keeping, .emulatedTLB, tagged).hiddenFaults, try run(keeping, .shadow).hiddenFaults)
    XCTAssertEqual(try run(keeping, .emulatedTLB).hiddenFill, 60)
    let limited = ["emulated-tlb.tags": "pcid", "emulated-tlb.capacity": "11"]
    XCTAssertEqual(try run(keeping, .emulatedTLB, limited).hiddenFill, 60)

    let flushing = roundRobin(keeps: false)
    XCTAssertEqual(try run(flushing, .shadow).hiddenFill, 12)
    XCTAssertEqual(try run(flushing, .emulatedTLB, tagged).hiddenFill, 60)

    let storing = roundRobin(keeps: true, stores: true)
    XCTAssertEqual(try run(storing, .shadow).hiddenTrace, 15)
    XCTAssertEqual(try run(storing, .emulatedTLB, tagged).hiddenFaults, 12)
  }

  /// A global page may be in the table of every PCID: INVLPG in one drops it in all.
  func testInvlpgReachesAllTables() throws {
    var guest = Guest()
    let other = guest.addRoot()
    let flags = Self.ready.union(.global)
    for root in [guest.root, other] { guest.map(0x10000, to: 0x20_0000, flags, root: root) }
    guest.boot(cr4: ControlRegisters.initial.cr4 | CR4.pcid | CR4.globalPages)
    guest.read(0x10000)
    guest.cr3(other | 1 | CR3.noFlush)
    guest.read(0x10000)
    for root in [guest.root, other] { guest.store(0x20_1167, at: guest.entry(0x10000, root: root)) }
    guest.invlpg(0x10000)
    guest.cr3(guest.root | CR3.noFlush)
    guest.read(0x10000)
    // The oracle would object to what was there before.
    let counters = try run(guest, .emulatedTLB, ["emulated-tlb.tags": "pcid", "emulated-tlb.globals": "keep"])
    XCTAssertEqual([counters.hiddenFill, counters.staleHits], [2, 0])
  }
}
