import Paging
import XCTest

@testable import Machine

/// Transfers through a ring of requests with grants, which a driver domain carries out (`dma.translation=ring`).
final class IORingTests: XCTestCase {
  static let data: UInt64 = 0x100_0000

  private func settings(_ duration: Int = 0, _ more: [(String, String)] = []) -> Settings {
    var settings = Settings()
    let keys = [("dma.translation", "ring"), ("dma.duration", "\(duration)")] + more
    for (key, value) in keys { XCTAssertNil(settings.set(key, to: value), key) }
    return settings
  }

  private func guest(_ body: (inout Guest) -> Void) -> Guest {
    var guest = Guest()
    for page in 0..<4 as Range<UInt64> { guest.map(0x40_0000 + page << 12, to: Self.data + page << 12) }
    guest.boot()
    guest.read(0x40_0000)
    body(&guest)
    return guest
  }

  /// Both ends, with whoever sleeps: each request is taken once and answered once, who sleeps is woken by the first message and
  /// by no other, and there is never more than the ring has room for.
  func testNobodySleepsWhileThereIsWork() {
    for seed in seeds(10) {
      var random = SplitMix64(seed: seed)
      var memory = MachineMemory()
      var ring = IORing(page: MPN(3), &memory)
      var (put, waiting, answered) = (0, [IORing.Request](), 0)
      var (backSleeps, frontSleeps) = (true, true)
      for _ in 0..<300 {
        let count = random.below(ring.room + 1)
        for _ in 0..<count {
          ring.put(.init(reference: put % 1000, writes: put % 3 == 0, number: ring.nextNumber), &memory)
          put += 1
        }
        let wakes = ring.pushRequests(&memory)
        XCTAssertEqual(wakes, backSleeps && count > 0, "MEMLAB_SEED=\(seed)")
        if wakes { backSleeps = false }
        if !backSleeps { waiting += ring.takeRequests(memory) ?? [] }
        for request in waiting.prefix(random.below(waiting.count + 1)) {
          XCTAssertEqual(request.reference, answered % 1000)
          XCTAssertEqual(request.writes, answered % 3 == 0)
          XCTAssertEqual(request.slot, answered % 256)
          let isTold = ring.push(.init(number: request.number, isGood: true), &memory)
          XCTAssertEqual(isTold, frontSleeps, "MEMLAB_SEED=\(seed)")
          frontSleeps = false
          waiting.removeFirst()
          answered += 1
        }
        if !frontSleeps && random.oneIn(2) {
          XCTAssertGreaterThan(ring.takeResponses(&memory).count, 0)
          frontSleeps = true
        }
        if waiting.isEmpty && !backSleeps && random.oneIn(2) {
          ring.awaitRequests(&memory)
          backSleeps = true
        }
      }
      XCTAssertGreaterThan(put, 500)
      XCTAssertEqual(put - answered, waiting.count)
    }
  }

  /// A transfer of some pages: a notification, a hypercall that maps all, one that unmaps all, and one notification for the first of
  /// the responses. More than the ring has room for goes by several fills.
  func testWhatARingCosts() throws {
    let costs = MachineDescription.roomy.costs
    let before = try guest { _ in }.run(.direct, settings()).counters
    for (pages, fills) in [(3, 1), (256, 1), (600, 3)] as [(UInt64, UInt64)] {
      let c = try guest { $0.dma(Self.data, pages << 12, writes: pages == 3) }.run(.direct, settings()).counters
      XCTAssertEqual(c.dmaPages, pages)
      XCTAssertEqual(c.ringRequests, pages)
      XCTAssertEqual(c.grantMaps, pages)
      XCTAssertEqual(c.grantUnmaps, pages)
      XCTAssertEqual(c.dmaTranslations, pages)
      XCTAssertEqual(c.ringNotifications, 2 * fills)
      XCTAssertEqual(c.ringNotificationsSaved, pages - fills)
      XCTAssertEqual(c.hypercalls - before.hypercalls, 4 * fills)
      XCTAssertEqual(c.exitHypercall - before.exitHypercall, 4 * fills)
      XCTAssertEqual(
        c.cyclesVirtualization - before.cyclesVirtualization,
        4 * fills * costs.hypercall + 2 * pages * costs.validation)
      XCTAssertEqual(c.dmaFaults, 0)
    }
    XCTAssertEqual(before.grantMaps + before.iommuMaps, 0, "what is there from the start is not counted")
  }

  /// While a transfer is under way the driver looks at the ring by itself, and the frame is in use: it becomes no table, and stays
  /// though its owner gives it back. After that it is as any other.
  func testWhatIsUnderWayStays() throws {
    let guest = guest { guest in
      guest.dma(Self.data + 0x9000, 8, writes: true)
      guest.dma(Self.data + 0xa000, 8, writes: false)
      guest.hypercall("mmuext_op pin_l1_table @1009000 => -22")
      guest.hypercall("memory_op current_reservation => 1048577")
      guest.hypercall("memory_op decrease_reservation @100a000 => 1")
      guest.hypercall("memory_op current_reservation => 1048577")
      for _ in 0..<10 { guest.read(0x40_0000) }
      guest.hypercall("mmuext_op pin_l1_table @1009000 => 0")
      guest.hypercall("memory_op current_reservation => 1048576")
    }
    let outcome = try guest.run(.direct, settings(10))
    XCTAssertEqual(outcome.divergences.count, 0, "\(outcome.divergences)")
    XCTAssertEqual(outcome.counters.ringNotifications, 3, "the second request needs none")
    XCTAssertEqual(outcome.counters.ringNotificationsSaved, 1)
    let atOnce = try guest.run(.direct, settings(0))
    XCTAssertEqual(atOnce.divergences.count, 3, "nothing is under way any more")
  }

  /// The kernel does not make a table of a page before the device has done with it.
  func testKernelWaitsForItsPage() throws {
    let guest = guest { guest in
      let table = Self.data + 0x9000
      guest.dma(table, 8, writes: true)
      guest.append(Operation(.table, table, size: 1), Array(repeating: 0, count: 8))
      // The entry of level 2 for 600000.
      guest.store(table | 7, at: 0x10_2018)
    }
    let outcome = try guest.run(.direct, settings(1000))
    XCTAssertEqual(outcome.divergences.count, 0, "\(outcome.divergences)")
  }

  /// No memory, a page without a frame, and a table that a device would store to: the transfer ends there.
  func testWhatIsRefused() throws {
    let guest = guest { guest in
      guest.dma(0x10_0000, 8, writes: true)
      guest.dma(0x10_0000, 8, writes: false)
      guest.hypercall("memory_op decrease_reservation @1009000 => 1")
      guest.dma(Self.data + 0x8000, 3 << 12, writes: true)
      guest.dma(4 << 30 - 0x1000, 0x2000, writes: false)
      guest.dma(.max - 10, 100, writes: false)
    }
    let outcome = try guest.run(.direct, settings())
    XCTAssertEqual(outcome.divergences.count, 0, "\(outcome.divergences)")
    XCTAssertEqual(
      outcome.events.filter { $0.kind == .dmaFault }.map { $0.physical?.raw },
      [0x10_0000, Self.data + 0x9000, 4 << 30, .some(.max & ~0xfff)])
    XCTAssertEqual(outcome.counters.dmaFaults, 4)
    XCTAssertEqual(outcome.counters.dmaPages, 1 + 2 + 1)
    for mode in [Mode.nested, .shadow, .emulatedTLB] {
      XCTAssertThrowsError(try guest.run(mode, settings())) { XCTAssertTrue("\($0)".contains("expected mode direct")) }
    }
    XCTAssertNoThrow(try self.guest { $0.dma(Self.data, 8, writes: true) }.run(.native, settings()))
  }

  /// A domain with its own devices and a ring has both tables; two domains have a ring each.
  func testDomainsSideBySide() throws {
    let host = XenHost()
    let guest = guest { guest in
      for page in 0..<40 as Range<UInt64> { guest.dma(Self.data + page << 12, 2 << 12, writes: page % 2 == 0) }
    }
    var simulations: [Simulation] = []
    for duration in [0, 7] {
      var configuration = Configuration(mode: .direct, machine: .roomy, guest: .scenario)
      configuration.settings = settings(duration, [("direct.iommu", duration == 0 ? "on" : "off")])
      configuration.checks = true
      simulations.append(try Simulation(configuration, on: host))
    }
    for item in guest.items {
      var batch = OperationBatch()
      item.append(to: &batch)
      for simulation in simulations { try simulation.replay(batch) }
    }
    for simulation in simulations {
      try simulation.finish()
      XCTAssertEqual(simulation.divergences.count, 0, "\(simulation.divergences)")
      XCTAssertEqual(simulation.counters.dmaPages, 80)
      XCTAssertEqual(simulation.counters.grantMaps, simulation.counters.grantUnmaps)
    }
  }

  /// On a host beside other machines: the ring's frames are the host's overhead, and nobody's books are wrong.
  func testDomainOnAHost() throws {
    for mode in HostTests.modes {
      var guest = Guest(root: 0x1_0000)
      for page in 0..<40 as Range<UInt64> { guest.map(0x40_0000 + page << 12, to: 0x4_0000 + page << 12) }
      guest.boot()
      for page in 0..<40 as Range<UInt64> {
        guest.write(0x40_0000 + page << 12)
        guest.dma(0x4_0000 + page << 12, 8, writes: true)
      }
      for _ in 0..<200 { guest.read(0x40_0000) }
      var domain = HostRun.Member(guest: guest, mode: .direct, settings: settings(5))
      domain.machine.size = 1 << 20
      var run = HostRun(
        members: [domain, HostRun.Member(guest: HostTests.sweeper(300, rounds: 3), mode: mode)],
        settings: HostSettings(memory: 560 << 12))
      run.quantum = 30
      let outcomes = try run.outcomes { host, _ in
        if let problem = host.violatedInvariant() { throw HostProblem(description: problem) }
      }
      XCTAssertEqual(outcomes.map(\.divergences.count), [0, 0], "\(mode) \(outcomes.map(\.divergences))")
      let c = outcomes[0].counters
      XCTAssertEqual(c.dmaPages, 40)
      XCTAssertEqual(c.dmaFaults, 0)
      // The ring, the driver's table, and the first frame of its IOMMU's: all that it had entered has been taken out.
      XCTAssertEqual(c.hostOverhead, 3, "\(mode)")
      XCTAssertGreaterThan(outcomes[1].counters.hostSwapIns, 100)
    }
  }
}
