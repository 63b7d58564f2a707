import Paging
import XCTest

@testable import Machine

/// Machines whose TLB the kernel fills: which exceptions there are, who handles them, and what the hypervisor hides.
final class SoftwareTLBTests: XCTestCase {
  private var trace = Guest()

  override func setUp() { trace = Guest() }

  private func run(
    _ mode: Mode, _ machine: MachineDescription = .softwareFilled(48, pages: 2), _ keys: [String] = []
  ) throws -> Counters {
    var settings = Settings()
    for key in keys {
      let parts = key.split(separator: "=").map(String.init)
      XCTAssertNil(settings.set(parts[0], to: parts[1]), key)
    }
    let outcome = try trace.run(mode, on: machine, settings, as: .process)
    XCTAssertEqual(outcome.divergences, [], "\(mode)")
    let c = outcome.counters
    XCTAssertEqual(c.walks, 0)
    XCTAssertEqual(c.translations, c.tlbL1Hits + c.tlbMisses)
    // A signal is the one exception that ends without a write.
    let exceptions = c.tlbRefills + c.tlbInvalid + c.tlbModified
    XCTAssertEqual(exceptions - c.guestSignals, c.tlbRandomWrites + c.tlbIndexedWrites)
    XCTAssertEqual(c.hiddenRefills, c.hiddenFaults)
    return c
  }

  private func exceptions(_ c: Counters) -> [UInt64] { [c.tlbRefills, c.tlbInvalid, c.tlbModified, c.trueFaults] }

  private func add(_ kind: Paging.Operation.Kind, _ address: UInt64, _ letters: UInt16 = 0, _ words: [UInt64] = []) {
    trace.append(Paging.Operation(kind, address, size: letters), words)
  }

  /// The refill finds nothing and writes an entry that is not valid; that is the page fault, after which the entry is
  /// written again. A neighbour has its half of the pair, not valid yet. A page of zeros is refused to the store.
  func testWhatAFirstAccessTakes() throws {
    trace.read(0x1_0000)
    XCTAssertEqual(exceptions(try run(.native)), [1, 1, 0, 1])
    trace.read(0x1_0000)
    XCTAssertEqual(exceptions(try run(.native)), [1, 1, 0, 1])
    trace.write(0x1_0000)
    XCTAssertEqual(exceptions(try run(.native)), [1, 1, 1, 2])
    trace.write(0x1_1000)
    XCTAssertEqual(exceptions(try run(.native)), [1, 2, 1, 3])
    XCTAssertEqual(exceptions(try run(.native, .softwareFilled(48, pages: 1))), [2, 2, 1, 3])
    // The refill stops at the top table; the update after each fault reads three links and both entries.
    XCTAssertEqual(try run(.native).refillReferences, 1 + 3 * 5)
  }

  /// The child has accessed nothing (A is clear): the entry that a refill brings is not valid, and no page fault follows.
  func testAccessedBitsAreTheKernels() throws {
    trace.write(0x1_0000)
    add(.fork, 1, 0, [2])
    add(.switchProcess, 2)
    trace.read(0x1_0000)
    XCTAssertEqual(exceptions(try run(.native)), [2, 2, 0, 1])
  }

  func testAddressSpacesAreTagged() throws {
    for process in [UInt64(1), 2, 1, 2] {
      add(.switchProcess, process)
      trace.write(0x1_0000)
    }
    for mode in [Mode.native, .emulatedTLB] { XCTAssertEqual(try run(mode).tlbMisses, 2, "\(mode)") }
    // One bit leaves one identifier, the other process has none of its own and is flushed at each switch.
    var machine = MachineDescription.softwareFilled(48, pages: 2)
    machine.softwareTLB?.contextBits = 1
    for mode in [Mode.native, .emulatedTLB] {
      let counters = try run(mode, machine)
      XCTAssertEqual([counters.tlbMisses, counters.tlbRefills], [3, 3], "\(mode)")
    }
  }

  /// D is the kernel's too: shared memory that may be stored to, and has not been, refuses its first store. No page fault
  /// follows.
  func testDirtyBitsAreTheKernels() throws {
    add(.map, 0x1_0000, 6 | 16, [0x2000])
    trace.read(0x1_0000)
    trace.write(0x1_0000)
    trace.write(0x1_0000)
    for mode in [Mode.native, .emulatedTLB] {
      XCTAssertEqual(exceptions(try run(mode)), [1, 1, 1, 1], "\(mode)")
    }
  }

  /// The hypervisor has 8 entries for itself, so that the guest's 40 do not all fit; it knows what was in them.
  func testTheGuestTakesTheSameExceptionsUnderAHypervisor() throws {
    var random = SplitMix64(seed: 7)
    for _ in 0..<3000 { trace.write(UInt64(0x10 + random.below(90)) << 12) }
    let native = try run(.native)
    let hidden = try run(.emulatedTLB)
    XCTAssertEqual(exceptions(hidden), exceptions(native))
    XCTAssertEqual(native.hiddenRefills, 0)
    XCTAssertGreaterThan(hidden.hiddenRefills, 100)
    XCTAssertEqual(hidden.exitFault, hidden.hiddenRefills + native.tlbRefills + native.tlbInvalid + native.tlbModified)
    XCTAssertEqual(hidden.exitOther, native.tlbProbes + native.tlbRandomWrites + native.tlbIndexedWrites)
    XCTAssertEqual(native.exits, 0)
    // With as many entries as the machine has, what one loses the other may have: still, never more than it asks for.
    XCTAssertLessThan(
      try run(.emulatedTLB, .softwareFilled(48, pages: 2), ["software-tlb.reserved=0"]).hiddenRefills,
      hidden.hiddenRefills)
  }

  /// Disco's second-level software TLB: the guest refills each pair once, the hypervisor the rest.
  func testASecondLevelTakesTheRefillsFromTheGuest() throws {
    var random = SplitMix64(seed: 8)
    for page in UInt64(0x10)..<0x110 { trace.write(page << 12) }
    for _ in 0..<2000 { trace.write(UInt64(0x10 + random.below(256)) << 12) }
    let small = try run(.emulatedTLB)
    let large = try run(.emulatedTLB, .softwareFilled(48, pages: 2), ["software-tlb.virtual=20000"])
    XCTAssertGreaterThan(small.tlbRefills, 1000)
    XCTAssertLessThan(large.tlbRefills, 140)
    XCTAssertGreaterThan(large.hiddenRefills, 1000)
    XCTAssertLessThan(large.exits, small.exits)
  }

  /// Uniform random accesses to P pages hit with N/P for N entries, whatever the replacement.
  func testUniformRandomMissRate() throws {
    var random = SplitMix64(seed: 9)
    for page in UInt64(0)..<224 { trace.write((0x100 + page) << 12) }
    let start = try run(.native, .softwareFilled(64, pages: 1, wired: 8)).tlbRefills
    for _ in 0..<4000 { trace.read(UInt64(0x100 + random.below(224)) << 12) }
    let refills = try run(.native, .softwareFilled(64, pages: 1, wired: 8)).tlbRefills - start
    XCTAssertEqual(Double(refills) / 4000, 1 - 56.0 / 224, accuracy: 0.03)
  }

  func testFlushedPagesAreGone() throws {
    trace.write(0x1_0000)
    add(.unmap, 0x1_0000, 0, [0x1000])
    trace.write(0x1_0000)
    for mode in [Mode.native, .emulatedTLB] {
      let counters = try run(mode, .softwareFilled(48, pages: 2), ["guest.maps=implicit"])
      XCTAssertEqual(counters.guestSignals, 1, "\(mode)")
    }
  }

  func testWhatItCannotBe() {
    trace.write(0x1_0000)
    for (mode, keys, reason) in [
      (Mode.shadow, [], "no page tables of the architecture's to shadow; expected mode native or emulated-tlb"),
      (.nested, [], "no walker for nested tables; expected mode native or emulated-tlb"),
      (.direct, [], "no walker for the guest's tables; expected mode native or emulated-tlb"),
      (.native, ["guest.large-pages=on"], "4 KiB pages alone; expected guest.large-pages=off"),
      (.native, ["guest.direct-map=4K"], "its kernel's memory is not mapped; expected guest.direct-map=none"),
    ] as [(Mode, [String], String)] {
      XCTAssertThrowsError(try run(mode, .softwareFilled(48, pages: 2), keys)) {
        XCTAssertEqual(($0 as? ReplayError)?.message, "software-filled has a TLB that software fills: " + reason)
      }
    }
    XCTAssertThrowsError(try trace.run(.native, on: .softwareFilled(48, pages: 2)))
  }

  func testImplausibleGeometries() {
    XCTAssertNil(MachineDescription.softwareFilled(48, pages: 2).problem)
    for geometry in [(1, 1, 0), (48, 3, 0), (48, 1, 48)] {
      XCTAssertNotNil(MachineDescription.softwareFilled(geometry.0, pages: geometry.1, wired: geometry.2).problem)
    }
    var both = MachineDescription.roomy
    both.softwareTLB = MachineDescription.softwareFilled(48, pages: 2).softwareTLB
    XCTAssertNotNil(both.problem)
  }
}

extension MachineDescription {
  static func softwareFilled(_ entries: Int, pages: Int, wired: Int = 0) -> MachineDescription {
    var machine = MachineDescription(name: "software-filled")
    machine.softwareTLB = SoftwareTLBGeometry(entries: entries, pages: pages, wired: wired, contextBits: 8)
    return machine
  }
}
