import Paging
import XCTest

@testable import Machine

/// Stripped traces count what the whole ones do, on every machine that they are stripped for.
final class StripTests: XCTestCase {
  /// L1 arrays of which the first is the machine that traces are stripped for; the others have a multiple of its sets.
  private static func machine(_ random: inout SplitMix64, _ sets: Int) -> MachineDescription {
    var machine = random.pick([MachineDescription.roomy, .tight])
    let shapes = { (random: inout SplitMix64) in
      PageSize.allCases.map { TLBGeometry([$0], sets: sets * random.pick([1, 2, 3]), ways: random.pick([1, 2, 5])) }
    }
    machine.l1Data = shapes(&random)
    machine.l1Instruction = shapes(&random)
    return machine
  }

  func testRandomWorkingSetsCountTheSame() throws {
    var (all, kept) = (UInt64(0), UInt64(0))
    for seed in seeds(8) {
      var random = SplitMix64(seed: seed &* 0x5000_0017)
      var program = ReuseProgram(seed: seed)
      var guest = program.make()
      guest.repeatAccesses(&random)
      let machines = Self.machines(&random)
      let result = try compare(guest, machines, Settings(), Mode.allCases, "MEMLAB_SEED=\(seed)")
      all += result.all
      kept += result.kept
    }
    XCTAssertLessThan(kept, all - all / 8)
  }

  /// Guests that change their tables in every way, under random settings of the hypervisors.
  func testRandomGuestsCountTheSame() throws {
    for (flavour, seed) in seeds(15).flatMap({ [(Plan.Flavour.flushing, $0), (.direct, $0)] }) {
      let plan = Plan(flavour, seed: seed)
      var random = SplitMix64(seed: seed &* 0x5000_0029)
      var guest = World(plan, plan.steps()).guest
      guest.repeatAccesses(&random)
      var settings = plan.settings(isExact: false)
      settings.nested = plan.nested
      settings.isNestedTableEager = plan.isNestedTableEager
      if flavour == .direct { settings.direct.hasIOMMU = true }
      let modes: [Mode] = flavour == .direct ? Mode.allCases : [.native, .emulatedTLB, .shadow, .nested]
      try compare(guest, Self.machines(&random), settings, modes, "MEMLAB_SEED=\(seed) \(flavour)")
    }
  }

  /// Global pages in two address spaces, while the hypervisor has too little memory for its own tables: what it drops for a
  /// fault depends on which faults there were.
  func testRandomWorkingSetsCountTheSameUnderRandomSettings() throws {
    for seed in seeds(4) {
      var random = SplitMix64(seed: seed &* 0x5000_0033)
      var program = ReuseProgram(seed: seed)
      let plan = Plan(.flushing, seed: seed)
      var settings = plan.settings(isExact: false)
      XCTAssertNil(settings.set("shadow.pages", to: random.pick(["6", "9", "14"])))
      settings.nested = plan.nested
      let modes: [Mode] = [.native, .emulatedTLB, .shadow, .nested]
      let place = "MEMLAB_SEED=\(seed) \(plan.settingsText(isExact: false)) \(settings.shadow)"
      try compare(program.make(), Self.machines(&random), settings, modes, place)
    }
  }

  private static func machines(_ random: inout SplitMix64) -> [MachineDescription] {
    let sets = random.pick([1, 2, 4, 6])
    return [machine(&random, sets), machine(&random, sets)]
  }

  @discardableResult
  private func compare(
    _ guest: Guest, _ machines: [MachineDescription], _ settings: Settings, _ modes: [Mode], _ place: String
  ) throws -> (all: UInt64, kept: UInt64) {
    var stripper = try Stripper(machines: machines, modes: modes, settings, guest: .scenario)
    var stripped: [OperationBatch] = []
    for batch in guest.batches(of: 100) { stripped += try stripper.strip(batch) }
    stripped += stripper.finish()
    for machine in machines {
      for mode in modes {
        let whole = try replay(guest.batches(of: 64), mode, machine, settings)
        let short = try replay(stripped, mode, machine, settings)
        if whole != short { XCTFail("\(place) \(mode): \(whole)\n\(short)\n\(guest.text)") }
      }
    }
    return (stripper.operations, stripper.kept)
  }

  private func replay(
    _ batches: [OperationBatch], _ mode: Mode, _ machine: MachineDescription, _ settings: Settings
  ) throws -> Counters {
    var configuration = Configuration(mode: mode, machine: machine, guest: .scenario)
    configuration.settings = settings
    let simulation = try Simulation(configuration)
    for batch in batches { try simulation.replay(batch) }
    try simulation.finish()
    return simulation.counters
  }

  /// One page, in a TLB of one entry: the first access of each kind is kept, and the first after anything else.
  func testWhatIsKept() throws {
    var guest = Guest()
    guest.map(0, to: 0x20_0000)
    guest.boot()
    let before = guest.next
    for _ in 0..<3 { guest.read(0) }  // 1 kept
    for _ in 0..<3 { guest.write(8) }  // 1 kept
    guest.read(16)
    guest.read(0, user: false)  // kept: another privilege
    guest.fetch(0)  // kept: another array
    guest.invlpg(0x5000)  // kept
    guest.read(0)  // kept
    guest.read(0xffc, size: 8)  // kept: over a border, where it faults
    guest.read(0)  // kept
    var machine = MachineDescription()
    machine.l1Data = PageSize.allCases.map { TLBGeometry([$0], sets: 1, ways: 1) }
    machine.l1Instruction = machine.l1Data
    var stripper = try Stripper(machines: [machine], modes: [.native], Settings(), guest: .scenario)
    for batch in guest.batches(of: 4096) { _ = try stripper.strip(batch) }
    XCTAssertEqual(stripper.kept, before + 8)
    XCTAssertEqual(stripper.finish().last?.words.suffix(3), [3, 2, 0])
  }

  /// A TLB may have the old entry of a global page when the address space has changed, and lose it when a fetch makes the
  /// hypervisor see to the page.
  func testAGlobalPageStaysInDoubt() throws {
    var guest = Guest()
    guest.map(0, to: 0x20_0000, [.present, .writable, .user, .accessed, .dirty, .global])
    guest.map(0x1000, to: 0x21_0000)
    guest.boot(cr4: CR4.pae | CR4.globalPages)
    guest.read(0)
    guest.store(0x22_0167, at: guest.entry(0))
    guest.read(0)
    guest.cr3(guest.root)
    for _ in 0..<4 {
      for _ in 0..<3 { guest.read(0) }
      guest.fetch(0)
      guest.read(0x1000)
    }
    var machine = MachineDescription()
    machine.l1Data = PageSize.allCases.map { TLBGeometry([$0], sets: 2, ways: 4) }
    machine.l1Instruction = machine.l1Data
    try compare(guest, [machine], Settings(), Mode.allCases, "global")
  }

  /// After a use that not all machines made the same, all is kept until anything may be dropped, the page itself until its
  /// entries are.
  func testDoubtsLastUntilEntriesGo() {
    var doubts = StripDoubts()
    let load = Operation(Operation.Kind.load)
    doubts.note(load, [5], DropLog(), differ: true, isFlush: false)
    XCTAssertFalse(doubts.allow(5) || doubts.allow(6))
    doubts.note(Operation(.loadCR3), [], .whole, differ: false, isFlush: false)
    XCTAssertFalse(doubts.allow(5))
    XCTAssertTrue(doubts.allow(6))
    doubts.note(Operation(.invlpg, 0x6000), [], DropLog(), differ: false, isFlush: false)
    XCTAssertFalse(doubts.allow(5))
    doubts.note(Operation(.invlpg, 0x5000), [], DropLog(), differ: false, isFlush: false)
    XCTAssertTrue(doubts.allow(5))
    // It is not known of which page.
    doubts.note(load, [], DropLog(), differ: true, isFlush: false)
    doubts.note(Operation(.loadCR3), [], .whole, differ: false, isFlush: false)
    XCTAssertFalse(doubts.allow(5) || doubts.allow(6))
    doubts.note(Operation(.loadCR4), [], .whole, differ: false, isFlush: true)
    XCTAssertTrue(doubts.allow(5) && doubts.allow(6))
  }

  func testWhatCannotBeStripped() {
    var logging = Settings()
    XCTAssertNil(logging.set("dirty-log.method", to: "write-protect"))
    XCTAssertThrowsError(try Stripper(machines: [MachineDescription()], modes: [.native], logging, guest: .recorded))
  }
}

extension Guest {
  /// The program in batches of so many operations.
  fileprivate func batches(of size: Int) -> [OperationBatch] {
    var batches: [OperationBatch] = []
    var batch = OperationBatch()
    for (number, item) in items.enumerated() {
      if batch.count == size || batch.isFull {
        batches.append(batch)
        batch.removeAll(first: UInt64(number))
      }
      item.append(to: &batch)
    }
    return batches + [batch]
  }

  /// Makes accesses again, now and then with others of the same run between.
  fileprivate mutating func repeatAccesses(_ random: inout SplitMix64) {
    var result: [Item] = []
    var run: [Item] = []
    for item in items {
      result.append(item)
      guard item.operation.isAccess else {
        run = []
        continue
      }
      run.append(item)
      for _ in 0..<random.below(5) { result.append(random.pick(run)) }
    }
    items = result
  }
}
