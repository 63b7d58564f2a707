import Paging
import XCTest

@testable import Machine

/// `cpu.technique`: which operations enter the monitor, how, and what it costs.
final class TechniqueTests: XCTestCase {
  /// One of each class of operations, one hidden fault and one true one, behind the first access.
  private var guest: Guest {
    var guest = Guest()
    guest.map(0x10000, to: 0x20_0000, [.present, .writable, .user, .accessed, .dirty])
    guest.boot()
    guest.read(0x10000)
    guest.cr3(guest.root)
    guest.invlpg(0x50000)
    guest.append(.loadCR4, ControlRegisters.initial.cr4 | CR4.globalPages)
    guest.read(0x60000)
    guest.append(.interrupt, size: 32)
    guest.append(.interrupt, size: 3)
    return guest
  }

  private func counters(_ technique: Technique, _ mode: Mode, _ costs: Costs = Costs()) throws -> Counters {
    var machine = MachineDescription.roomy
    machine.costs = costs
    var settings = Settings()
    XCTAssertNil(settings.set("cpu.technique", to: technique.rawValue))
    return try guest.run(mode, on: machine, settings).counters
  }

  /// CR3, INVLPG, control register, fault, interrupt, hypercall, call.
  private func entries(_ c: Counters) -> [UInt64] {
    [c.exitCR3, c.exitInvlpg, c.exitOther, c.exitFault, c.exitInterrupt, c.exitHypercall, c.monitorCalls]
  }

  func testWhatEntersTheMonitorAndHow() throws {
    let expected: [Technique: [UInt64]] = [
      .none: [1, 1, 1, 2, 0, 0, 0], .trapAndEmulate: [1, 1, 1, 2, 2, 0, 0],
      .binaryTranslation: [0, 0, 0, 2, 2, 0, 3], .paravirtual: [0, 0, 0, 2, 2, 3, 0],
      .hardwareAssisted: [1, 1, 1, 2, 1, 0, 0],
    ]
    for technique in Technique.allCases {
      let c = try counters(technique, .shadow)
      XCTAssertEqual(entries(c), try XCTUnwrap(expected[technique]), "\(technique)")
      XCTAssertEqual(c.exits, entries(c).dropLast().reduce(0, +), "\(technique)")
      XCTAssertEqual(c.hypercalls, c.exitHypercall, "\(technique)")
      XCTAssertEqual([c.hiddenFaults, c.trueFaults], [1, 1], "\(technique)")
    }
  }

  /// Bare hardware has no monitor; nested paging is hardware-assisted, and direct paging paravirtual, whatever is asked.
  func testModesThatImplyATechnique() throws {
    for technique in Technique.allCases {
      XCTAssertEqual(try counters(technique, .native).exits, 0)
      let nested = try counters(technique, .nested)
      XCTAssertEqual([nested.exitCR3, nested.exitOther, nested.monitorCalls], [0, 0, 0])
      XCTAssertEqual(nested.exitInterrupt, technique == .none ? 0 : 1)
      let direct = try counters(technique, .direct)
      XCTAssertEqual(direct.exitOther, technique == .none ? 1 : 0)
      XCTAssertEqual(direct.exitInterrupt, technique == .none ? 0 : 2)
      XCTAssertEqual(direct.hypercalls, direct.exitHypercall)
    }
  }

  /// Constants that tell which were used: each class of each technique pays what ``Tolls`` says, and nothing else.
  func testEachTechniquePaysItsOwnConstants() throws {
    var costs = Costs()
    (costs.exit, costs.trap, costs.callout, costs.hypercall) = (1, 10, 100, 1000)
    (costs.intercept, costs.injection, costs.reflection, costs.fill) = (10_000, 100_000, 1_000_000, 10_000_000)
    let expected: [Technique: UInt64] = [
      .none: 5 + 30_000 + 100_000, .trapAndEmulate: 70 + 30_000 + 3_000_000,
      .binaryTranslation: 40 + 300 + 3_000_000, .paravirtual: 7_000, .hardwareAssisted: 6 + 40_000 + 100_000,
    ]
    for technique in Technique.allCases {
      let cycles = try counters(technique, .shadow, costs).cyclesVirtualization
      XCTAssertEqual(cycles, try XCTUnwrap(expected[technique]) + costs.fill, "\(technique)")
    }
  }

  /// Adams & Agesen (ASPLOS 2006), figure 4 and table 1, Pentium 4 672: the monitor's own work is fitted to `ptemod`
  /// (12,733 cycles, of which 4,340 are an exit), and `pgfault` predicted: 11,242 cycles within a quarter; its part
  /// without VT, 3,927, is 2.9 times less.
  func testPageFaultsArePredictedFromTableStores() throws {
    var machine = MachineDescription.roomy
    machine.costs.exit = 2409 + 1931
    machine.costs.emulation = 12733 - machine.costs.exit
    machine.costs.injection = machine.costs.emulation
    (machine.costs.faultDelivery, machine.costs.trap, machine.costs.reflection) = (1093, 1093, 1741)
    let count: UInt64 = 1000
    var stores = Guest()
    stores.map(0x10000, to: 0x20_0000)
    let table = stores.entry(0x10000) & ~0xfff
    stores.map(0x20000, to: table, [.present, .writable, .user, .accessed, .dirty])
    stores.boot()
    stores.read(0x10000)
    stores.store(0x20_1067, at: table | 0x88, va: 0x20088)
    var faults = stores
    for index in 0..<count {
      stores.store(0x20_1067 + index << 12, at: table | 0x88, va: 0x20088)
      faults.read(0x60000)
    }
    func cycles(_ guest: Guest, _ technique: Technique) throws -> Double {
      var settings = Settings()
      XCTAssertNil(settings.set("cpu.technique", to: technique.rawValue))
      let c = try guest.run(.shadow, on: machine, settings).counters
      return Double(c.cyclesVirtualization + c.cyclesGuest)
    }
    var base = Guest()
    base = faults
    let before = try cycles(Guest(prefix: base, of: Int(base.next - count)), .hardwareAssisted)
    let store = (try cycles(stores, .hardwareAssisted) - before) / Double(count)
    XCTAssertEqual(store, 12733)
    let fault = (try cycles(faults, .hardwareAssisted) - before) / Double(count)
    XCTAssertEqual(fault, 11242, accuracy: 0.25 * 11242)
    let calmer = try cycles(Guest(prefix: base, of: Int(base.next - count)), .binaryTranslation)
    let soft = (try cycles(faults, .binaryTranslation) - calmer) / Double(count)
    XCTAssertEqual(soft, 3927)
    XCTAssertEqual(fault / soft, 2.9, accuracy: 0.25 * 2.9)
  }

  func testAClassicProcessorRefusesWhatItCannotDo() throws {
    var machine = MachineDescription.roomy
    machine.allSensitiveInstructionsTrap = false
    for technique in Technique.allCases {
      var configuration = Configuration(mode: .shadow, machine: machine, guest: .scenario)
      XCTAssertNil(configuration.settings.set("cpu.technique", to: technique.rawValue))
      let problem = configuration.settings.problem(on: machine)
      if technique == .trapAndEmulate || technique == .hardwareAssisted {
        XCTAssertEqual(problem?.contains("sensitive instructions"), true)
        XCTAssertThrowsError(try Simulation(configuration))
      } else {
        XCTAssertNil(problem)
        _ = try Simulation(configuration)
      }
      XCTAssertNil(configuration.settings.problem(on: .roomy))
    }
  }
}

extension Guest {
  /// The first operations of another.
  fileprivate init(prefix guest: Guest, of count: Int) {
    self.init(levels: guest.levels, root: guest.root)
    for item in guest.items.prefix(count) { append(item.operation, item.words) }
  }
}
