import Paging
import XCTest

@testable import Machine

/// A host with several machines: who gets in, who gets memory, who loses it.
final class HostTests: XCTestCase {
  static let modes: [Mode] = [.nested, .shadow, .emulatedTLB]

  /// A guest that goes over so many pages, so many times, and stores to each.
  static func sweeper(_ pages: UInt64, rounds: Int, pause: Int = 0) -> Guest {
    var guest = Guest()
    for page in 0..<pages { guest.map(0x40_0000 + page << 12, to: 0x100_0000 + page << 12) }
    guest.boot()
    for _ in 0..<rounds {
      for page in 0..<pages { guest.write(0x40_0000 + page << 12) }
      for _ in 0..<pause { guest.write(0x40_0000) }
    }
    return guest
  }

  private func member(_ guest: Guest, _ mode: Mode, _ change: (inout VirtualMachine) -> Void = { _ in })
    -> HostRun.Member
  {
    var member = HostRun.Member(guest: guest, mode: mode)
    change(&member.machine)
    return member
  }

  /// With enough for all, a page costs one fault at its first use, and nothing is ever taken.
  func testMemoryIsGivenOnDemand() throws {
    for mode in Self.modes {
      let run = HostRun(
        members: [member(Self.sweeper(100, rounds: 3), mode), member(Self.sweeper(50, rounds: 3), mode)],
        settings: HostSettings(memory: 4 << 20))
      let outcomes = try run.outcomes()
      for (outcome, pages) in zip(outcomes, [100, 50] as [UInt64]) {
        let c = outcome.counters
        XCTAssertEqual(c.hostSwapOuts, 0)
        // The pages, and the guest's four tables.
        XCTAssertEqual(c.hostFills, pages + 4, "\(mode)")
        XCTAssertEqual(c.hostMapped, pages + 4)
        XCTAssertEqual(c.hiddenHost, pages, "\(mode)")
        if mode != .nested { XCTAssertEqual(c.causeHost, pages) }
      }
    }
  }

  /// Half of the memory that two machines use: both lose pages, and get them back when they use them.
  func testPagesAreSwapped() throws {
    for mode in Self.modes {
      let run = HostRun(
        members: [member(Self.sweeper(300, rounds: 4), mode), member(Self.sweeper(300, rounds: 4), mode)],
        settings: HostSettings(memory: 400 << 12))
      var states: [HostState: UInt64] = [:]
      let outcomes = try run.outcomes { host, simulations in
        if let problem = host.violatedInvariant() { throw HostProblem(description: problem) }
        XCTAssertGreaterThanOrEqual(host.frames.free, host.reserve)
        let held = simulations.map { $0.counters.hostMapped + $0.counters.hostOverhead }.reduce(0, +)
        XCTAssertEqual(held + UInt64(host.frames.free), 400)
        states = host.changes
      }
      for outcome in outcomes {
        let c = outcome.counters
        XCTAssertGreaterThan(c.hostSwapIns, 300, "\(mode)")
        XCTAssertEqual(c.hostSwapOuts - c.hostSwapIns, c.hostSwapped)
        XCTAssertEqual(c.hostDiskCycles, c.hostSwapIns * 300_000)
        XCTAssertGreaterThan(c.cyclesVirtualization, c.hostDiskCycles)
        XCTAssertEqual(outcome.divergences.count, 0)
      }
      XCTAssertGreaterThan(states[.soft] ?? 0, 0)
    }
  }

  /// A machine that wants everything cannot take another's minimum; shares decide about the rest.
  func testMinimumAndShares() throws {
    for mode in Self.modes {
      var run = HostRun(
        members: [
          member(Self.sweeper(1000, rounds: 3), mode) { $0.shares = 1_000_000 },
          member(Self.sweeper(150, rounds: 20, pause: 1), mode) {
            $0.minimum = 120 << 12
            $0.shares = 1
          },
        ], settings: HostSettings(memory: 500 << 12))
      run.quantum = 40
      var least = Int.max
      _ = try run.outcomes { host, _ in
        let mapped = host.frames.resident[1].count
        if host.frames.resident[0].count > 200 { least = min(least, mapped) }
      }
      XCTAssertEqual(least, 120, "\(mode): it loses what is above its minimum, and no more")
    }
  }

  /// The state falls at once and rises late (6, 4, 2, 1 per cent of 10,000 frames).
  func testStatesHaveHysteresis() {
    let host = Host(HostSettings(memory: 10_000 << 12))
    var states: [HostState] = []
    for free in [500, 400, 399, 450, 599, 600, 399, 200, 199, 210, 399, 400, 599, 99, 150, 199, 200, 600, 50, 600] {
      host.updateState(free: free)
      states.append(host.state)
    }
    XCTAssertEqual(
      states,
      [
        .high, .high, .soft, .soft, .soft, .high, .soft, .soft, .hard, .hard, .hard, .soft, .soft, .low, .low, .low,
        .hard, .high, .low, .high,
      ])
  }

  /// The price of a page by the paper's formula: with the tax at 0 only shares and pages count; at 0.75 an idle page costs four times
  /// as much.
  func testPrice() throws {
    for (tax, expected) in [(0.0, 10.0), (0.75, 1000 / (100 * (0.2 + 4 * 0.8)))] {
      var settings = HostSettings(memory: 4 << 20)
      settings.idleTax = tax
      let host = Host(settings)
      let configuration = Configuration(mode: .nested, machine: .roomy, guest: .scenario)
      let simulation = try Simulation(configuration, on: host, as: VirtualMachine(name: "a"))
      XCTAssertEqual(host.price(0, pages: 100), 10, "all counts as used until there is a sample")
      host.members[0].use.end(0.2)
      XCTAssertEqual(host.price(0, pages: 100), expected, accuracy: 1e-9)
      withExtendedLifetime(simulation) {}
    }
  }

  /// Up at once, down slowly.
  func testEstimateOfUse() {
    var use = UseEstimate()
    XCTAssertEqual(use.fraction, 1)
    use.end(0)
    XCTAssertEqual(use.fraction, 0)
    use.note(0.8)
    XCTAssertEqual(use.fraction, 0.4, accuracy: 1e-9)
    use.end(0.8)
    XCTAssertEqual(use.fraction, 0.4, accuracy: 1e-9)
    use.end(0)
    XCTAssertEqual(use.fraction, 0.2, accuracy: 1e-9)
    use.end(0)
    XCTAssertEqual(use.fraction, 0.1, accuracy: 1e-9)
    for _ in 0..<3 { use.end(0) }
    // The slow average: 0.1 after the sample of 0.8, an eighth less with each of the five others.
    XCTAssertEqual(use.fraction, 0.1 * 0.875 * 0.875 * 0.875 * 0.875 * 0.875, accuracy: 1e-9)
  }

  /// A sample of all pages finds exactly those that are used.
  func testSampleFindsWhatIsUsed() throws {
    for mode in Self.modes {
      var guest = Self.sweeper(200, rounds: 1)
      for _ in 0..<40 { for page in 0..<50 { guest.write(0x40_0000 + UInt64(page) << 12) } }
      var settings = HostSettings(memory: 8 << 20)
      settings.samplePeriod = 300
      settings.sampleSize = 10_000
      var run = HostRun(members: [member(guest, mode)], settings: settings)
      run.quantum = 100
      var fraction = 1.0
      let outcomes = try run.outcomes { host, _ in fraction = host.activeFraction(0) }
      // 50 of 204 pages, and the guest's tables where the hardware reads them.
      let expected = (mode == .nested ? 54.0 : 50.0) / 204
      XCTAssertEqual(fraction, expected, accuracy: 0.02, "\(mode)")
      XCTAssertGreaterThan(outcomes[0].counters.hostSampleFaults, 200)
    }
  }

  /// The idle machine loses its memory with the tax, and keeps half of all without.
  func testIdleMemoryTax() throws {
    var kept: [Double: Int] = [:]
    for tax in [0, 0.75] {
      var settings = HostSettings(memory: 500 << 12)
      settings.idleTax = tax
      settings.samplePeriod = 200
      var idle = Self.sweeper(300, rounds: 1)
      for _ in 0..<12_000 { idle.write(0x40_0000) }
      var run = HostRun(
        members: [member(idle, .nested), member(Self.sweeper(300, rounds: 40), .nested)], settings: settings)
      run.quantum = 50
      _ = try run.outcomes { host, _ in kept[tax] = host.frames.resident[0].count }
    }
    let (without, with) = (try XCTUnwrap(kept[0]), try XCTUnwrap(kept[0.75]))
    XCTAssertGreaterThan(without, 140)
    XCTAssertLessThan(with, 125)
  }

  func testAdmission() {
    var settings = HostSettings(memory: 400 << 12)
    func error(_ machines: [VirtualMachine]) -> String? {
      let host = Host(settings)
      var simulations: [Simulation] = []
      do {
        for machine in machines {
          simulations.append(
            try Simulation(
              Configuration(mode: .nested, machine: .roomy, guest: .scenario), on: host, as: machine))
        }
        return nil
      } catch {
        return error.message
      }
    }
    var first = VirtualMachine(name: "first")
    var second = VirtualMachine(name: "second")
    (first.minimum, second.minimum) = (100 << 12, 108 << 12)
    (first.size, second.size) = (1 << 20, 1 << 20)
    XCTAssertNil(error([first, second]))
    second.minimum += 1
    XCTAssertEqual(
      error([first, second]),
      "machine second needs 436 KiB at least and 256 KiB of overhead: with 656 KiB for the machines before it and a "
        + "reserve of 256 KiB, the host's 1600 KiB are not enough")
    second.minimum -= 1
    settings.swap = (156 + 148) << 12
    XCTAssertNil(error([first, second]))
    settings.swap = (156 + 147) << 12
    XCTAssertEqual(
      error([first, second]),
      "machine second needs 592 KiB of swap area: with the machines before it 1216 KiB, more than the 1212 KiB there are"
    )
  }

  /// Tables that outgrow what was put aside for them end the run, with the figures.
  func testOvercommitmentEndsClearly() {
    var guest = Guest()
    for page in 0..<400 as Range<UInt64> { guest.map(page << 30, to: 0x100_0000 + page << 12) }
    guest.boot()
    for page in 0..<400 as Range<UInt64> { guest.write(page << 30) }
    let run = HostRun(members: [member(guest, .shadow)], settings: HostSettings(memory: 400 << 12))
    XCTAssertThrowsError(try run.outcomes()) { error in
      let text = "\((error as? ReplayError)?.message ?? "")"
      XCTAssertTrue(text.hasPrefix("machine a cannot get another page: the host's 1600 KiB hold "), text)
    }
  }

  func testWhoCannotShareAHost() {
    func message(_ mode: Mode, _ keys: [(String, String)] = []) -> String {
      var configuration = Configuration(mode: mode, machine: .roomy, guest: .scenario)
      for (key, value) in keys { XCTAssertNil(configuration.settings.set(key, to: value)) }
      do {
        _ = try Simulation(configuration, on: Host(HostSettings(memory: 64 << 20)), as: VirtualMachine(name: "a"))
        return ""
      } catch {
        return error.message
      }
    }
    XCTAssertEqual(message(.native), "machine a has no hypervisor that could share its memory")
    XCTAssertTrue(message(.nested, [("nested.fill", "eager")]).contains("nested.fill=eager"))
    XCTAssertTrue(message(.nested, [("nested.levels", "2")]).contains("nested.levels=2"))
    XCTAssertTrue(message(.shadow, [("dirty-log.method", "write-protect")]).contains("dirty log"))
    XCTAssertTrue(message(.shadow, [("trace.cow", "1000+1000")]).contains("trace.cow"))
  }
}
