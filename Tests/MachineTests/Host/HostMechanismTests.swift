import Paging
import XCTest

@testable import Machine

/// Single mechanisms of a host, each by what goes wrong without it.
final class HostMechanismTests: XCTestCase {
  private static let modes: [Mode] = [.nested, .shadow, .emulatedTLB]

  private func run(
    _ members: [HostRun.Member], _ memory: UInt64, _ change: (inout HostRun) -> Void = { _ in },
    afterTurn: (Machine.Host) -> Void = { _ in }
  ) throws -> [Outcome] {
    var run = HostRun(members: members, settings: HostSettings(memory: memory << 12))
    for index in members.indices { run.members[index].machine.name = "m\(index)" }
    run.quantum = 50
    change(&run)
    let outcomes = try run.outcomes { host, _ in
      if let problem = host.violatedInvariant() { throw HostProblem(description: problem) }
      afterTurn(host)
    }
    for outcome in outcomes { XCTAssertEqual(outcome.divergences.count, 0, "\(outcome.divergences)") }
    return outcomes
  }

  private func tagged(_ tags: [UInt64], before count: Int = 0, _ body: (inout Guest) -> Void) -> Guest {
    var guest = Guest()
    for page in tags.indices { guest.map(Self.address(page), to: 0x100_0000 + UInt64(page) << 12) }
    guest.boot()
    for _ in 0..<count { guest.read(0x7000_0000) }
    for (page, tag) in tags.enumerated() {
      guest.write(Self.address(page))
      guest.append(Operation(.content, 0x100_0000 + UInt64(page) << 12), [tag])
    }
    body(&guest)
    return guest
  }

  private static func address(_ page: Int) -> UInt64 { 0x40_0000 + UInt64(page) << 12 }

  /// A nested table of five frames, and one of the physmap for each of the two 2 MiB in use.
  func testOverheadIsTablesAndPhysmap() throws {
    let outcomes = try run([HostRun.Member(guest: HostTests.sweeper(100, rounds: 1), mode: .nested)], 4096)
    XCTAssertEqual(outcomes[0].counters.hostOverhead, 5 + 2)
  }

  /// A page that was remembered as a hint holds something else by the time that another holds what it did.
  func testStaleHintIsNotTrusted() throws {
    for mode in Self.modes {
      let first = tagged([7]) { guest in
        for _ in 0..<200 { guest.read(Self.address(0)) }
        guest.write(Self.address(0))
        for _ in 0..<800 { guest.read(Self.address(0)) }
      }
      let second = tagged([7], before: 500) { guest in for _ in 0..<500 { guest.read(Self.address(0)) } }
      var most = 0
      _ = try run([HostRun.Member(guest: first, mode: mode), HostRun.Member(guest: second, mode: mode)], 2048) {
        $0.settings.scannedPages = 100
      } afterTurn: {
        most = max(most, $0.sharing.pages)
      }
      XCTAssertEqual(most, 0, "\(mode)")
    }
  }

  /// A frame that held what many pages did is shared again, but by pages that hold something else.
  func testStaleSharedFrameIsNotTrusted() throws {
    for mode in Self.modes {
      var first = Guest()
      for page in 0..<4 { first.map(Self.address(page), to: 0x100_0000 + UInt64(page) << 12) }
      first.boot()
      func fill(_ page: Int, _ tag: UInt64) {
        first.write(Self.address(page))
        first.append(Operation(.content, 0x100_0000 + UInt64(page) << 12), [tag])
      }
      func wait() { for _ in 0..<300 { first.read(Self.address(0)) } }
      fill(0, 7)
      fill(1, 7)
      wait()
      // Both get frames of their own, and a new page the one that they had.
      first.write(Self.address(0))
      first.write(Self.address(1))
      fill(2, 8)
      wait()
      fill(3, 8)
      for _ in 0..<4 { wait() }
      let second = tagged([7], before: 1200) { guest in for _ in 0..<500 { guest.read(Self.address(0)) } }
      var (most, last) = (0, 0)
      let outcomes = try run(
        [HostRun.Member(guest: first, mode: mode), HostRun.Member(guest: second, mode: mode)], 2048
      ) {
        $0.settings.scannedPages = 100
      } afterTurn: {
        (most, last) = (max(most, $0.sharing.pages), $0.sharing.pages)
      }
      XCTAssertEqual(outcomes[0].counters.hostMerges, 2, "\(mode)")
      XCTAssertEqual(most, 2)
      XCTAssertEqual(last, 2, "\(mode): the two of the first machine")
      XCTAssertEqual(outcomes[1].counters.hostShared, 0)
    }
  }

  /// Tables are never shared, though they are full of zeros; pages of zeros are.
  func testTablesOfZerosAreNotShared() throws {
    for mode in Self.modes {
      var guest = tagged([0, 0]) { guest in for _ in 0..<400 { guest.read(Self.address(0)) } }
      let announced = guest.items.firstIndex { $0.operation.kind == .loadCR3 } ?? 0
      var tables = Guest(root: 0x50_0000)
      for _ in 0..<4 { tables.announce(tables.addTable(level: 1)) }
      guest.items.insert(contentsOf: tables.items, at: announced)
      var last = (pages: 0, frames: 0)
      let outcomes = try run(
        [HostRun.Member(guest: guest, mode: mode), HostRun.Member(guest: guest, mode: mode)], 2048
      ) {
        $0.settings.scannedPages = 200
      } afterTurn: {
        last = $0.sharing
      }
      XCTAssertEqual(outcomes.map(\.counters.hostMapped), [10, 10], "\(mode)")
      XCTAssertEqual(last.pages, 4, "\(mode)")
    }
  }

  /// Short of memory, the host shares a page that is known to hold what others do before it writes it to the swap area.
  func testPagesAreSharedBeforeTheyAreSwapped() throws {
    for mode in Self.modes {
      var (merged, swapped) = (UInt64(0), UInt64(0))
      let tags = (0..<120).map { _ in UInt64(5) }
      let guest = tagged(tags) { guest in
        for round in 0..<4 { for page in 0..<120 where page % 4 == round { guest.read(Self.address(page)) } }
      }
      let other = HostTests.sweeper(150, rounds: 4)
      // So few are looked at that nearly all are still apart when memory gets short.
      let outcomes = try run(
        [HostRun.Member(guest: guest, mode: mode), HostRun.Member(guest: other, mode: mode)], 330
      ) {
        $0.settings.scannedPages = 1
        $0.quantum = 25
        $0.overhead = 0
      }
      (merged, swapped) = (outcomes[0].counters.hostMerges, outcomes[0].counters.hostSwapOuts)
      XCTAssertGreaterThan(merged, 40, "\(mode)")
      XCTAssertLessThan(swapped, 20, "\(mode)")
    }
  }

  /// A frame that was a table of the hypervisor's becomes a page that the guest takes for an empty table.
  func testFramesComeEmpty() throws {
    var guest = Guest()
    for page in 0..<64 as Range<UInt64> { guest.map(0x40_0000 + page << 12, to: 0x100_0000 + page << 12) }
    // Pages that nobody has ever stored to, as level-1 tables.
    let first: UInt64 = 0x60_0000
    for index in 0..<8 as Range<UInt64> { guest.map(0x8000_0000 + index << 21, to: 0x1_0000) }
    for index in 0..<8 as Range<UInt64> {
      let place = guest.entry(0x8000_0000 + index << 21, level: 2)
      guest.set((first + index << 12) | EntryFlags.readWriteUser.rawValue, at: place)
    }
    guest.boot()
    for _ in 0..<4 {
      for page in 0..<64 as Range<UInt64> { guest.write(0x40_0000 + page << 12) }
      // An emulated TLB gives all of its tables back.
      guest.cr3(guest.root)
    }
    for index in 0..<8 as Range<UInt64> {
      for page in 0..<64 as Range<UInt64> { guest.read(0x8000_0000 + index << 21 + page << 12) }
      for page in 0..<64 as Range<UInt64> { guest.write(0x40_0000 + page << 12) }
      guest.cr3(guest.root)
    }
    for mode in Self.modes {
      let outcomes = try run([HostRun.Member(guest: guest, mode: mode)], 600)
      XCTAssertEqual(outcomes[0].faults.count, 8 * 64, "\(mode)")
    }
  }

  /// On one processor a machine finds nothing of its own in the TLB after another's turn; on two each keeps what it has.
  func testProcessorsAreFlushedBetweenMachines() throws {
    for mode in Self.modes {
      var misses: [UInt64] = []
      for processors in [nil, 1, 2] as [Int?] {
        var guest = HostTests.sweeper(40, rounds: 1)
        for _ in 0..<10 { for page in 0..<40 as Range<UInt64> { guest.read(0x40_0000 + page << 12) } }
        let outcomes = try run(
          [HostRun.Member(guest: guest, mode: mode), HostRun.Member(guest: guest, mode: mode)], 2048
        ) {
          $0.settings.processors = processors
          $0.quantum = 40
        }
        misses.append(outcomes[0].counters.tlbMisses)
      }
      XCTAssertEqual(misses[0], 40, "\(mode)")
      // Eleven turns of forty pages each, but for the first and its neighbour.
      XCTAssertGreaterThan(misses[1], 40 * 10, "\(mode)")
      XCTAssertEqual(misses[2], 40, "\(mode)")
    }
  }

  /// Each page that the guest writes to its own swap area out of the host's is counted, and no other.
  func testDoublePagingIsCounted() throws {
    for mode in Self.modes {
      var guest = Guest()
      for _ in 0..<6 { for page in 0..<80 as Range<UInt64> { guest.write(0x10_0000 + page << 12) } }
      var short = HostRun.Member(guest: guest, mode: mode, kind: .process)
      short.machine.size = 60 << 12
      let busy = HostRun.Member(guest: HostTests.sweeper(200, rounds: 6), mode: mode)
      let outcomes = try run([short, busy], 320) {
        $0.settings.hasBalloons = false
        $0.settings.idleTax = 0
        $0.members[1].machine.shares = 20_000
      }
      let c = outcomes[0].counters
      XCTAssertGreaterThan(c.hostDoublePaged, 10, "\(mode)")
      XCTAssertLessThanOrEqual(c.hostDoublePaged, min(c.hostSwapIns, c.guestPagesSwappedOut), "\(mode)")
      XCTAssertEqual(outcomes[1].counters.hostDoublePaged, 0)
    }
  }

  // MARK: Recorded kernels

  /// However short memory is, a balloon that knows the future takes nothing that is used again, nor leaves it to devices.
  func testForesightTakesNothingElse() throws {
    for mode in Self.modes {
      var guest = HostTests.sweeper(200, rounds: 1)
      for page in 0..<100 as Range<UInt64> { guest.dma(0x100_0000 + page << 12, 8, writes: false) }
      for _ in 0..<6 { for page in 100..<200 as Range<UInt64> { guest.write(0x40_0000 + page << 12) } }
      var member = HostRun.Member(guest: guest, mode: mode)
      XCTAssertNil(member.settings.set("dma.translation", to: "iommu"))
      member.machine.lastUses = try Self.lastUses(guest)
      XCTAssertEqual(member.machine.lastUses[0x1000], UInt64(guest.items.count - 600 - 99))
      let outcomes = try run([member, HostRun.Member(guest: HostTests.sweeper(200, rounds: 4), mode: mode)], 360)
      let c = outcomes[0].counters
      XCTAssertEqual(c.hostBalloonPops, 0, "\(mode)")
      XCTAssertGreaterThan(c.balloonGiven, 60, "\(mode)")
      XCTAssertGreaterThan(c.hostSwapOuts, 20, "\(mode)")
      XCTAssertGreaterThan(c.iommuUnmaps, 60, "\(mode)")
    }
  }

  private static func lastUses(_ guest: Guest) throws -> [UInt64] {
    var configuration = Configuration(mode: .native, machine: .roomy, guest: .scenario)
    configuration.notesLastUses = true
    let pass = try Simulation(configuration)
    var batch = OperationBatch()
    for item in guest.items { item.append(to: &batch) }
    try pass.replay(batch)
    return pass.lastUses
  }

  /// A balloon that knows the future takes what is used no more, before the host takes anything; pages that a later operation
  /// uses stay, and so do tables.
  func testForesightTakesWhatIsUsedNoMore() throws {
    for mode in Self.modes {
      // The first half is never used again, the second is.
      var guest = HostTests.sweeper(200, rounds: 1)
      for round in 0..<6 {
        if round == 3 { guest.announce(guest.root) }
        for page in 100..<200 as Range<UInt64> { guest.write(0x40_0000 + page << 12) }
      }
      let uses = try Self.lastUses(guest)
      XCTAssertEqual(uses[0x1000], UInt64(guest.items.count - 600 - 1 - 200 + 1))
      XCTAssertEqual(uses[0x1000 + 199], UInt64(guest.items.count))
      XCTAssertEqual(uses[0x100], .max, "a table")
      XCTAssertEqual(uses[0xfff], 0)
      for hasForesight in [false, true] {
        var member = HostRun.Member(guest: guest, mode: mode)
        if hasForesight { member.machine.lastUses = uses }
        let outcomes = try run([member, HostRun.Member(guest: HostTests.sweeper(150, rounds: 5), mode: mode)], 440)
        let c = outcomes[0].counters
        XCTAssertEqual(c.hostBalloonPops, 0, "\(mode)")
        if hasForesight {
          XCTAssertGreaterThan(c.balloonGiven, 80, "\(mode)")
          XCTAssertLessThanOrEqual(c.balloonGiven, 100, "\(mode)")
          XCTAssertEqual(c.hostBallooned, c.balloonGiven)
          XCTAssertLessThan(c.hostSwapIns, 10)
        } else {
          XCTAssertEqual(c.balloonGiven, 0)
          XCTAssertGreaterThan(c.hostSwapIns + outcomes[1].counters.hostSwapIns, 30)
        }
      }
    }
  }

  /// A driver that gives a page away which is used all the same: the page comes back, of zeros, and is counted.
  func testBalloonPops() throws {
    for mode in Self.modes {
      var guest = HostTests.sweeper(200, rounds: 3)
      for _ in 0..<200 { guest.read(0x40_0000) }
      var member = HostRun.Member(guest: guest, mode: mode)
      // It believes that the first fifty pages are used no more after their first use.
      member.machine.lastUses = Array(repeating: 0, count: 0x1000) + Array(repeating: 1, count: 50)
      let outcomes = try run([member], 300)
      let c = outcomes[0].counters
      XCTAssertGreaterThan(c.balloonGiven, 20, "\(mode)")
      XCTAssertEqual(c.hostBalloonPops, c.balloonGiven - c.hostBallooned, "\(mode)")
      XCTAssertGreaterThan(c.hostBalloonPops, 20, "\(mode)")
    }
  }
}
