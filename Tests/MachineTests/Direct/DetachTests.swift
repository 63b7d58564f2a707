import Paging
import XCTest

@testable import Machine

/// Tables that Xen detaches for the guest to write to (`direct.stores=detach`).
final class DetachTests: XCTestCase {
  /// Where the guest has its tables mapped, and what they map.
  private static let window: UInt64 = 0xffff_ff80_0000_0000
  private static let data: UInt64 = 0x10_0000

  /// Two address spaces; the lowest table of each is mapped in the first.
  private func guest() -> (guest: Guest, other: UInt64) {
    var guest = Guest()
    let other = guest.addRoot()
    guest.map(Self.data, to: 0x40_0000)
    guest.map(Self.data, to: 0x40_0000, root: other)
    guest.map(Self.window, to: guest.entry(Self.data) & ~0xfff, [.present, .writable])
    guest.map(Self.window + 0x1000, to: guest.entry(Self.data, root: other) & ~0xfff, [.present, .writable])
    guest.map(Self.window + 0x20_0000, to: guest.entry(Self.data) & ~0xfff, [.present, .writable])
    guest.boot()
    guest.read(Self.data)
    return (guest, other)
  }

  private func store(
    _ guest: inout Guest, _ index: UInt64, _ value: UInt64, window: UInt64 = window, root: UInt64? = nil
  ) {
    let place = guest.entry(Self.data, root: root) + index * 8
    guest.store(value, at: place, va: window + place & 0xfff)
  }

  private func run(_ guest: Guest, rings: Bool = false) throws -> Outcome {
    var settings = Settings()
    settings.direct.stores = .detach
    settings.direct.hasTwoBases = rings
    let outcome = try guest.run(.direct, on: .roomy, settings, batch: 1)
    XCTAssertEqual(outcome.divergences, [])
    return outcome
  }

  /// One fault lets go of the table, one takes it back, whatever is stored in between.
  func testABatchOfStoresCostsTwoFaults() throws {
    var (guest, _) = guest()
    for index in 1...8 as ClosedRange<UInt64> { store(&guest, index, 0x50_0067 + index << 12) }
    store(&guest, 8, 0x60_0067)
    for index in 1...8 as ClosedRange<UInt64> { guest.read(Self.data + index << 12) }
    for rings in [false, true] {
      let counters = try run(guest, rings: rings).counters
      XCTAssertEqual([counters.hiddenTrace, counters.hiddenFill, counters.trueFaults], [1, 1, 0])
      XCTAssertEqual([counters.tablesDetached, counters.detachedStores, counters.detachedUpdates], [1, 9, 8])
      XCTAssertEqual(counters.mmuUpdates, 8)
    }
  }

  func testAHypercallTakesTheTableBack() throws {
    var (guest, _) = guest()
    store(&guest, 1, 0x50_0067)
    guest.invlpg(Self.data)
    guest.read(Self.data + 0x1000)
    let counters = try run(guest).counters
    XCTAssertEqual([counters.hiddenTrace, counters.hiddenFill, counters.detachedUpdates], [1, 0, 1])
  }

  /// A table of another address space keeps its place there; the load of CR3 takes it back.
  func testATableOfAnotherAddressSpaceIsTakenBackByItsLoad() throws {
    var (guest, other) = guest()
    store(&guest, 1, 0x50_0067, window: Self.window + 0x1000, root: other)
    store(&guest, 2, 0x51_0067, window: Self.window + 0x1000, root: other)
    guest.read(Self.data)
    guest.cr3(other)
    guest.read(Self.data + 0x1000)
    guest.read(Self.data + 0x2000)
    let counters = try run(guest).counters
    XCTAssertEqual([counters.hiddenTrace, counters.hiddenFill, counters.trueFaults], [1, 0, 0])
    XCTAssertEqual([counters.tablesDetached, counters.detachedUpdates], [1, 2])
  }

  /// One table of each kind at a time.
  func testOneActiveAndOneInactiveTable() throws {
    var (guest, other) = guest()
    store(&guest, 1, 0x50_0067)
    store(&guest, 1, 0x50_0067, window: Self.window + 0x1000, root: other)
    store(&guest, 2, 0x51_0067)
    store(&guest, 2, 0x51_0067, window: Self.window + 0x1000, root: other)
    // By another mapping of the first: it is taken back, and let go of again.
    store(&guest, 3, 0x52_0067, window: Self.window + 0x20_0000)
    let counters = try run(guest).counters
    XCTAssertEqual([counters.hiddenTrace, counters.tablesDetached, counters.detachedStores], [3, 3, 5])
    XCTAssertEqual(counters.detachedUpdates, 5)
  }

  /// After a table came back as it went, a store is emulated, or the guest might never get on.
  func testAStoreIsEmulatedAfterADetachmentInVain() throws {
    var (guest, _) = guest()
    let window = Self.window + guest.entry(Self.data) & 0xfff
    for _ in 0..<3 {
      guest.write(window, user: false)
      guest.read(Self.data)
    }
    let counters = try run(guest).counters
    XCTAssertEqual([counters.tablesDetached, counters.hiddenTrace, counters.hiddenFill], [2, 3, 2])
  }

  /// A table that maps the page of its own mapping could not be reached once it is detached.
  func testATableThatMapsItselfIsNotDetached() throws {
    var (guest, _) = guest()
    guest.store(guest.entry(Self.data) & ~0xfff | 0x63, at: guest.entry(Self.data) + 8, va: nil)
    let place = guest.entry(Self.data) + 16
    guest.store(0x50_0067, at: place, va: Self.data + 0x1000 + place & 0xfff)
    let counters = try run(guest).counters
    XCTAssertEqual([counters.tablesDetached, counters.hiddenTrace], [0, 2])
  }

  /// What else shares a processor may write to what this one reads: such tables are not let go of.
  func testATableThatAnotherCPUMayUseIsNotDetached() throws {
    var (guest, other) = guest()
    guest.cpu(1)
    guest.cr3(other)
    guest.read(Self.data)
    guest.cpu(0)
    store(&guest, 1, 0x50_0067, window: Self.window + 0x1000, root: other)
    store(&guest, 1, 0x50_0067)
    guest.cpu(1)
    guest.read(Self.data + 0x1000)
    let counters = try run(guest).counters
    XCTAssertEqual([counters.tablesDetached, counters.hiddenTrace], [1, 2])
  }

  /// What another CPU has in its TLB of the window, by which stores come to the table, goes too when Xen takes it back.
  func testTheWindowIsShutOnEveryCPU() throws {
    var guest = Guest()
    let other = guest.addRoot()
    guest.map(Self.data, to: 0x40_0000)
    guest.map(Self.data, to: 0x41_0000, root: other)
    guest.map(Self.window, to: guest.entry(Self.data) & ~0xfff, [.present, .writable])
    // The second address space has the same tables of the kernel's.
    guest.set(guest.words[guest.entry(Self.window, level: 4)] ?? 0, at: guest.entry(Self.window, level: 4, root: other))
    guest.boot()
    guest.read(Self.data)
    guest.cpu(1)
    guest.cr3(other)
    guest.read(Self.data)
    guest.cpu(0)
    store(&guest, 1, 0x50_0067)
    guest.cpu(1)
    let place = Self.window + (guest.entry(Self.data) + 16) & 0xfff
    guest.write(place, user: false)
    guest.cpu(0)
    guest.invlpg(Self.data)
    guest.cpu(1)
    guest.write(place, user: false)
    let counters = try run(guest).counters
    XCTAssertEqual([counters.tablesDetached, counters.hiddenTrace], [1, 2], "the last store is stopped")
  }

  /// A bad entry is refused as a table comes back; the rest is what it was, and all counts agree.
  func testABadEntryIsRefused() throws {
    var attack = Attack { $0.stores = .detach }
    let table = attack.frames[1]
    guard let base = attack.backend.xen.domains[.guest]?.bases[0] else { return XCTFail("no base") }
    let links = attack.backend.xen.frames.positions(of: table, under: base)
    XCTAssertEqual(links.map(\.address.raw), [0])
    let window = (VirtualAddress(0x40_0000_2000), table.entryAddress(index: 2))
    attack.backend.xen.detach(table, as: .active, links[0], through: window.0, window.1, &attack.cpu, &attack.machine)
    XCTAssertNil(attack.reach(VirtualAddress(0), .load))
    XCTAssertEqual(attack.machine.memory.read(links[0].place) & 1, 0)
    let own = attack.frames[7].address.raw | 7
    let others = attack.frames.last.map { $0.address.raw | 7 } ?? 0
    for (index, word) in [(0, own), (3, own), (4, others), (5, own)] {
      attack.machine.memory.write(table.entryAddress(index: index), word)
    }
    XCTAssertNil(attack.backend.xen.violatedInvariant(attack.machine))
    let result = attack.backend.xen.attach(.active, &attack.cpu, &attack.machine)
    XCTAssertEqual(result?.refused?.index, 4)
    XCTAssertEqual(result?.refused?.error, .busy)
    XCTAssertEqual([0, 3, 4, 5].map { attack.machine.memory.read(table.entryAddress(index: $0)) }, [own, own, 0, 0])
    XCTAssertEqual(attack.backend.xen.frames[attack.frames[7]].typeCount, 2)
    XCTAssertEqual(attack.machine.memory.read(links[0].place) & 1, 1)
    XCTAssertEqual(attack.machine.memory.read(window.1) & 2, 0)
    XCTAssertNil(attack.backend.xen.violatedInvariant(attack.machine))
    XCTAssertNil(attack.staleRight())
  }
}
