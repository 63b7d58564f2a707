import Paging
import XCTest

@testable import Machine

/// Domains under direct paging on a host beside machines of other modes: their frames are their own, and the host can only
/// ask for them.
final class HostDirectTests: XCTestCase {
  private static let others: [Mode] = [.nested, .shadow, .emulatedTLB]
  private static let size: UInt64 = 1 << 20

  /// Pages of a guest that fits into a MiB: tables from 10000, data from 40000.
  private static func sweeper(_ pages: UInt64, rounds: Int) -> Guest {
    var guest = Guest(root: 0x1_0000)
    for page in 0..<pages { guest.map(0x40_0000 + page << 12, to: 0x4_0000 + page << 12) }
    guest.boot()
    for _ in 0..<rounds { for page in 0..<pages { guest.write(0x40_0000 + page << 12) } }
    return guest
  }

  private func member(_ guest: Guest, _ mode: Mode, size: UInt64? = nil) -> HostRun.Member {
    var member = HostRun.Member(guest: guest, mode: mode)
    member.machine.name = mode.rawValue
    member.machine.size = size
    return member
  }

  private func checked(_ run: HostRun, _ also: (Machine.Host) -> Void = { _ in }) throws -> [Outcome] {
    try run.outcomes { host, _ in
      if let problem = host.violatedInvariant() { throw HostProblem(description: problem) }
      also(host)
    }
  }

  /// It has all of its memory from the start, meets the faults that it meets alone, and loses nothing while another machine
  /// swaps for its life.
  func testDomainKeepsItsFrames() throws {
    for mode in Self.others {
      var run = HostRun(
        members: [
          member(Self.sweeper(100, rounds: 6), .direct, size: Self.size),
          member(HostTests.sweeper(300, rounds: 4), mode),
        ], settings: HostSettings(memory: 560 << 12))
      run.quantum = 50
      let outcomes = try checked(run) { host in
        XCTAssertEqual(host.frames.resident[0].count, 256)
      }
      let (direct, other) = (outcomes[0].counters, outcomes[1].counters)
      XCTAssertEqual(outcomes[0].divergences.count + outcomes[1].divergences.count, 0, "\(mode)")
      XCTAssertEqual(direct.hostMapped, 256)
      XCTAssertEqual(direct.hiddenHost + direct.hostSwapOuts + direct.hostSampled, 0)
      XCTAssertGreaterThan(other.hostSwapIns, 300)
      let alone = try run.members[0].guest.run(.direct, on: run.machine)
      XCTAssertEqual(outcomes[0].faults, alone.faults)
      var counters = direct
      (counters.hostMapped, counters.hostMappedPeak, counters.hostOverhead, counters.machineFramesPeak) = (0, 0, 0, 0)
      var expected = alone.counters
      expected.machineFramesPeak = 0
      XCTAssertEqual(counters, expected, "all else is as on a machine of its own")
    }
  }

  /// Where the frames that a domain gets have been, nobody finds anything of it; and a frame that it gives back leaves its
  /// TLB before somebody else has it, though the guest has not flushed.
  func testFrameThatIsGivenBackServesAnother() throws {
    for mode in Self.others {
      var guest = Self.sweeper(100, rounds: 1)
      for page in 0..<100 as Range<UInt64> {
        let (va, pa) = (0x40_0000 + page << 12, 0x4_0000 + page << 12)
        guest.read(va)
        guest.store(0, at: guest.entry(va))
        guest.hypercall("memory_op decrease_reservation \(String(pa, radix: 16))")
      }
      for _ in 0..<900 { guest.read(0x7000_0000) }
      var run = HostRun(
        members: [
          member(guest, .direct, size: Self.size),
          member(HostTests.sweeper(120, rounds: 5), mode),
        ], settings: HostSettings(memory: 500 << 12))
      run.quantum = 20
      var least = Int.max
      let outcomes = try checked(run) { least = min(least, $0.frames.resident[0].count) }
      XCTAssertEqual(outcomes.map(\.divergences.count), [0, 0], "\(mode) \(outcomes.map(\.divergences))")
      XCTAssertEqual(least, 156)
      XCTAssertEqual(outcomes[0].counters.hostBallooned, 100)
      XCTAssertEqual(outcomes[1].counters.hostMapped, 124)
    }
  }

  /// The machine beside a domain with a balloon needs more than is left: the domain's driver is asked, and gives frames back.
  /// Nothing is ever swapped out of it.
  func testBalloonIsAsked() throws {
    for mode in Self.others {
      var idle = Guest()
      for page in 0..<40 as Range<UInt64> { idle.write(0x10_0000 + page << 12) }
      for _ in 0..<6000 { idle.append(.switchProcess, 1) }
      var asked = HostRun.Member(guest: idle, mode: .direct, kind: .process)
      asked.machine = VirtualMachine(name: "idle")
      asked.machine.size = 400 << 12
      XCTAssertNil(asked.settings.set("balloon.second", to: "20"))
      // It works on 300 pages, and then on two.
      var busy = HostTests.sweeper(300, rounds: 8)
      for _ in 0..<2000 { busy.write(0x40_0000) }
      var other = member(busy, mode)
      other.machine.shares = 4000
      var settings = HostSettings(memory: 700 << 12)
      settings.samplePeriod = 100
      var run = HostRun(members: [asked, other], settings: settings)
      run.quantum = 40
      var (least, most) = (Int.max, 0)
      let outcomes = try checked(run) { host in
        least = min(least, host.frames.resident[0].count)
        most = max(most, host.frames.resident[1].count)
      }
      let direct = outcomes[0].counters
      XCTAssertEqual(outcomes.map(\.divergences.count), [0, 0], "\(mode)")
      XCTAssertLessThan(least, 330)
      XCTAssertGreaterThan(most, 260)
      XCTAssertGreaterThan(direct.balloonGiven, 70)
      XCTAssertEqual(direct.hostSwapOuts, 0)
      XCTAssertEqual(direct.hostBallooned, 400 - direct.hostMapped)
    }
  }

  /// A domain that has given frames back by itself, and a machine whose balloon had been asked: it is let down.
  func testBalloonIsLetDownWhenFramesAreFree() throws {
    for mode in Self.others {
      var squeezed = Guest()
      for page in 0..<300 as Range<UInt64> { squeezed.write(0x10_0000 + page << 12) }
      for _ in 0..<3000 { squeezed.append(.switchProcess, 1) }
      var first = HostRun.Member(guest: squeezed, mode: mode, kind: .process)
      first.machine = VirtualMachine(name: "squeezed")
      first.machine.size = 600 << 12
      var run = HostRun(
        members: [first, member(Self.giver(after: 1500), .direct, size: Self.size)],
        settings: HostSettings(memory: 600 << 12))
      run.quantum = 30
      let outcomes = try checked(run)
      XCTAssertEqual(outcomes.map(\.divergences.count), [0, 0], "\(mode)")
      XCTAssertGreaterThan(outcomes[0].counters.balloonGiven, 50)
      XCTAssertGreaterThan(outcomes[0].counters.balloonTaken, 30)
    }
  }

  /// A guest that gives 170 of its 256 pages back.
  private static func giver(after count: Int) -> Guest {
    var guest = sweeper(10, rounds: 1)
    for _ in 0..<count { guest.read(0x40_0000) }
    for page in 0..<170 as Range<UInt64> {
      guest.hypercall("memory_op decrease_reservation \(String(0x4_0000 + (20 + page) << 12, radix: 16))")
    }
    return guest
  }

  /// A domain asks for more frames than nobody needs: it gets what leaves the host above the state soft.
  func testDomainGetsWhatIsFreeAlone() throws {
    var guest = Self.giver(after: 0)
    for _ in 0..<900 { guest.read(0x40_0000) }
    for page in 0..<170 as Range<UInt64> {
      guest.hypercall("memory_op populate_physmap \(String(0x4_0000 + (20 + page) << 12, radix: 16))")
    }
    guest.read(0x40_0000)
    var run = HostRun(
      members: [
        member(guest, .direct, size: Self.size), member(HostTests.sweeper(150, rounds: 7), .nested),
      ], settings: HostSettings(memory: 440 << 12), overhead: 0)
    run.quantum = 30
    var free = 0
    let outcomes = try checked(run) { free = $0.frames.free }
    XCTAssertEqual(outcomes.map(\.divergences.count), [0, 0])
    XCTAssertEqual(free, Host.exitFrames * 4)
    XCTAssertLessThan(outcomes[0].counters.hostMapped, 200)
    XCTAssertGreaterThan(outcomes[0].counters.hostMapped, 86)
  }

  /// Whatever frames held before, a domain finds zeros in them: at its building, and in what it asks for later.
  func testDomainFindsNothingOfOthers() throws {
    // An emulated TLB gives its tables back, full of entries, at each load of CR3.
    var other = HostTests.sweeper(60, rounds: 1)
    for _ in 0..<30 {
      other.cr3(other.root)
      for page in 0..<60 as Range<UInt64> { other.write(0x40_0000 + page << 12) }
    }
    other.cr3(other.root)
    let pages: UInt64 = 100
    var guest = Self.sweeper(4, rounds: 1)
    // What was freed last is given first: to the pages below the tables, and to those that are asked for first.
    var reader = guest
    for page in Array(0..<16) + (0..<pages).map({ 0x50 + $0 }) as [UInt64] {
      for index in 0..<64 as Range<UInt64> { reader.append(.readBack, page << 12 | index << 3) }
    }
    let (building, own) = (guest.items.count, 16 * 64)
    for page in 0..<pages {
      guest.hypercall("memory_op decrease_reservation \(String(0x5_0000 + page << 12, radix: 16))")
    }
    let host = Machine.Host(HostSettings(memory: 700 << 12))
    func simulation(_ mode: Mode, _ size: UInt64?) throws -> Simulation {
      var configuration = Configuration(mode: mode, machine: .roomy, guest: .scenario)
      configuration.recordsEvents = true
      var machine = VirtualMachine(name: mode.rawValue)
      machine.size = size
      return try Simulation(configuration, on: host, as: machine)
    }
    func replay(_ items: ArraySlice<Guest.Item>, on simulation: Simulation) throws {
      var batch = OperationBatch()
      for item in items {
        if batch.isFull {
          try simulation.replay(batch)
          batch.removeAll(first: batch.firstNumber + UInt64(batch.count))
        }
        item.append(to: &batch)
      }
      try simulation.replay(batch)
    }
    let first = try simulation(.emulatedTLB, nil)
    try replay(other.items[...], on: first)
    let domain = try simulation(.direct, Self.size)
    try replay(reader.items.prefix(building + own), on: domain)
    let built = domain.takeEvents().filter { $0.cause == "" && $0.kind == .load }
    XCTAssertEqual(built.count, own)
    XCTAssertEqual(built.filter { $0.value != 0 }.count, 0, "at its building")
    try replay(guest.items.suffix(Int(pages)), on: domain)
    try replay(other.items.suffix(2000), on: first)
    var asking = Guest()
    for page in 0..<pages { asking.hypercall("memory_op populate_physmap \(String(0x5_0000 + page << 12, radix: 16))") }
    try replay(asking.items[...], on: domain)
    XCTAssertEqual(domain.counters.hostMapped, 256)
    _ = domain.takeEvents()
    try replay(reader.items.suffix(Int(pages) * 64), on: domain)
    let asked = domain.takeEvents().filter { $0.kind == .load }
    XCTAssertEqual(asked.count, Int(pages) * 64)
    XCTAssertEqual(asked.filter { $0.value != 0 }.count, 0, "in what it asked for")
  }

  /// The whole size of a domain must be there for it to come, and be known.
  func testAdmission() {
    func error(_ size: UInt64?, _ memory: UInt64) -> String? {
      var machine = VirtualMachine(name: "d")
      machine.size = size
      do {
        _ = try Simulation(
          Configuration(mode: .direct, machine: .roomy, guest: .scenario), on: Host(HostSettings(memory: memory << 12)),
          as: machine)
        return nil
      } catch {
        return error.message
      }
    }
    XCTAssertNil(error(100 << 12, 228))
    XCTAssertEqual(
      error(100 << 12, 227),
      "machine d needs 400 KiB at least and 256 KiB of overhead: with 0 KiB for the machines before it and a reserve of "
        + "256 KiB, the host's 908 KiB are not enough")
    XCTAssertEqual(
      error(nil, 1000), "machine d in mode direct, whose memory is its own from the start, without a size")
  }

  /// Large pages fall into tables of the port's own: where there is no room for those, the run ends with the figures.
  func testTablesOfThePortCount() throws {
    var guest = Guest(root: 0x1_0000)
    for page in 0..<80 as Range<UInt64> { guest.map(0x4000_0000 + page << 21, to: 0, size: .large) }
    guest.boot()
    guest.read(0x4000_0000)
    func run(_ frames: UInt64) -> HostRun {
      HostRun(members: [member(guest, .direct, size: 2 << 20)], settings: HostSettings(memory: frames << 12))
    }
    let outcomes = try checked(run(512 + 64 + 128))
    XCTAssertEqual(outcomes[0].counters.hostOverhead, 80)
    XCTAssertEqual(outcomes[0].divergences.count, 0)
    XCTAssertThrowsError(
      try HostRun(
        members: run(0).members, settings: HostSettings(memory: (512 + 64 + 10) << 12), overhead: 0
      ).outcomes()
    ) { error in
      let text = "\((error as? ReplayError)?.message ?? "")"
      XCTAssertTrue(text.hasSuffix("an exit may need 452 KiB"), text)
      XCTAssertTrue(
        text.hasPrefix("machine direct cannot get another page: the host's 2344 KiB hold 2048 KiB of"), text)
    }
  }
}
