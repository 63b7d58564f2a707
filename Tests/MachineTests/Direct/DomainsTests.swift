import Paging
import XCTest

@testable import Machine

/// Several domains on one machine, each with processors and a port of its own.
final class DomainsTests: XCTestCase {
  private static let steps = 600

  /// Two domains that try everything, by turns: no invariant breaks, neither reaches a frame of the other's, not through a
  /// TLB either, and nothing is left of the one that is destroyed. `MEMLAB_SEEDS=1700` makes a million steps.
  func testHostileDomainsGetNowhere() {
    for seed in seeds(20) {
      var dice = SplitMix64(seed: seed)
      let steps = (0..<Self.steps).map { _ in dice.next() }
      guard let problem = run(steps, seed: seed, every: 32) else { continue }
      let shortest = shrink(steps) { run($0, seed: seed, every: 1) != nil }
      XCTFail("seed \(seed): \(problem); shrunk to \(shortest): \(run(shortest, seed: seed, every: 1) ?? "none")")
      return
    }
  }

  /// `every`: steps between two recounts.
  private func run(_ steps: [UInt64], seed: UInt64, every: Int) -> String? {
    let host = XenHost()
    var first = Attack(.guest, on: host)
    var second = Attack(DomainID(1), on: host)
    first.learn(second.frames)
    second.learn(Array(first.frames.prefix(Int(Attack.ownPages) + 3)))
    var dice = SplitMix64(seed: seed ^ 0xbeef)
    if seed % 2 == 0 { first.at(host) { $0.takeDevices() } }
    if seed % 3 == 0 { second.at(host) { $0.takeDevices() } }
    first.at(host) { $0.backend.xen.frames.reserve = UInt64(dice.below(6)) }
    let interval = dice.oneIn(3) ? 1 + dice.below(300) : 0
    if interval > 0 { first.at(host) { $0.backend.xen.frames.armInterrupt(after: interval) } }
    for (number, step) in steps.enumerated() {
      let checksAll = number == steps.count - 1 || number % every == every - 1
      // Turns are long enough for a TLB entry, what it leads to, and what becomes of that.
      let problem =
        (step >> 40) % 5 < 3
        ? first.at(host) { $0.carryOut(step, checksAll: checksAll) }
        : second.at(host) { $0.carryOut(step, checksAll: checksAll) }
      if let problem { return "step \(number): \(problem)" }
      if let stale = first.at(host, { $0.staleRight() }) ?? second.at(host, { $0.staleRight() }) {
        return "step \(number), the other: \(stale)"
      }
    }
    if let problem = first.at(host, { $0.end(&dice) }) { return "the first: \(problem)" }
    for step in steps.prefix(50) {
      if let problem = second.at(host, { $0.carryOut(step, checksAll: true) }) { return "the second alone: \(problem)" }
    }
    if let problem = second.at(host, { $0.end(&dice) }) { return "the second: \(problem)" }
    return second.at(host) { attack in
      let held = attack.backend.xen.frames.known.filter { !attack.backend.xen.frames[$0].isUnused }
      return held.isEmpty ? nil : "\(held.count) frames have references, and nobody is left"
    }
  }

  /// They must get somewhere with each other's pages, or the test shows little.
  func testHostileDomainsShareMemory() {
    let host = XenHost()
    var first = Attack(.guest, on: host)
    var second = Attack(DomainID(1), on: host)
    second.learn(Array(first.frames.prefix(20)))
    var dice = SplitMix64(seed: 4)
    var shared = 0
    for _ in 0..<3000 {
      let step = dice.next()
      if (step >> 40) % 2 == 0 {
        _ = first.at(host) { $0.carryOut(step, checksAll: false) }
      } else {
        _ = second.at(host) { $0.carryOut(step, checksAll: false) }
      }
      shared += first.at(host) { attack in
        attack.backend.xen.grantTables[.guest]?.mappings.values.filter { $0.granter == DomainID(1) }.count ?? 0
      }
    }
    XCTAssertGreaterThan(shared, 100)
    for counters in [first.machine.counters, second.machine.counters] {
      XCTAssertGreaterThan(counters.grantMaps, 8)
      XCTAssertGreaterThan(counters.grantUnmaps, 2)
    }
  }

  /// What the machine has, and what is with others, is the same for all; a domain's frames are its own.
  func testDomainsHaveTheirOwnMemory() {
    let host = XenHost()
    var first = Attack(.guest, on: host)
    var second = Attack(DomainID(1), on: host)
    XCTAssertTrue(Set(first.frames.prefix(20)).isDisjoint(with: second.frames.prefix(20)))
    let foreign = second.frames[5].address.raw
    first.at(host) { attack in
      let place = attack.frames[1].address.raw
      for flags in [5, 7] as [UInt64] {
        let mapped = attack.call(.mmuUpdate(.init(requests: [(pointer: place | 0, value: foreign | flags)])))
        XCTAssertEqual(mapped.value, -16)
        let named = Hypercall.MMUUpdates(
          requests: [(pointer: place, value: foreign | flags)], pages: DomainID(1))
        XCTAssertEqual(attack.call(.mmuUpdate(named)).value, -1)
      }
      for level in 0...3 {
        XCTAssertEqual(attack.call(.mmuExtended([.init(number: level, first: foreign)], pages: .oneself)).value, -22)
      }
      XCTAssertEqual(attack.call(.mmuExtended([.init(number: 5, first: foreign)], pages: .oneself)).value, -22)
      XCTAssertEqual(attack.call(.mmuUpdate(.init(requests: [(pointer: foreign, value: 0 as UInt64)]))).value, -22)
      XCTAssertEqual(attack.call(.memory(.decrease([MPN(foreign >> 12)], order: 0))).value, 0)
      // A device of the other's.
      let device = second.frames[20].address.raw
      XCTAssertEqual(attack.call(.mmuUpdate(.init(requests: [(pointer: place, value: device | 7)]))).value, -1)
      XCTAssertEqual(attack.call(.memory(.currentReservation)).value, 20)
    }
    second.at(host) { XCTAssertEqual($0.call(.memory(.currentReservation)).value, 20) }
  }

  /// The same where the former owner is the one that runs.
  func testOwnFrameIsFlushedWhenAnotherGetsIt() {
    var attack = Attack()
    attack.backend.xen.frames.reserve = 0
    XCTAssertNil(attack.reach(VirtualAddress(0), .store))
    let frame = attack.frames[5]
    let update = Hypercall.MMUUpdates(requests: [(pointer: attack.frames[1].address.raw, value: 0 as UInt64)])
    XCTAssertEqual(attack.call(.mmuUpdate(update)).value, 0)
    XCTAssertEqual(attack.call(.memory(.decrease([frame], order: 0))).value, 1)
    XCTAssertEqual(attack.cached, [frame], "free, but not yet another's")
    let got = attack.call(.memory(.increase(count: 1, order: 0)), from: DomainID(8))
    XCTAssertEqual(got.frames, [frame])
    XCTAssertEqual(attack.cached, [])
  }

  /// The port's extra tables are beside what the domain may have.
  func testExtraTablesLeaveTheReservationAsItIs() {
    let host = XenHost()
    var first = Attack(.guest, on: host)
    first.at(host) { attack in
      let table = attack.machine.allocateTable()
      attack.backend.xen.frames.setExtra(table, of: .guest, true, &attack.machine)
      XCTAssertEqual(attack.call(.memory(.decrease([attack.frames[19]], order: 0))).value, 1)
      XCTAssertEqual(attack.call(.memory(.increase(count: 2, order: 0))).value, 1)
      attack.backend.xen.frames.setExtra(table, of: .guest, false, &attack.machine)
      XCTAssertEqual(attack.call(.memory(.currentReservation)).value, 20)
    }
  }

  /// A frame that goes from one domain to another is dropped from the first one's TLBs before it runs again, unless it has
  /// flushed them itself since.
  func testFormerOwnerIsFlushed() {
    for flushes in [false, true] {
      let host = XenHost()
      var first = Attack(.guest, on: host)
      var second = Attack(DomainID(1), on: host)
      let address = VirtualAddress(0)
      let frame = first.frames[5]
      second.at(host) { attack in
        attack.backend.xen.frames.reserve = 0
        XCTAssertEqual(attack.call(.memory(.decrease([attack.frames[19]], order: 0))).value, 1)
      }
      let clock = first.at(host) { attack in
        XCTAssertNil(attack.reach(address, .load))
        XCTAssertEqual(attack.cached, [frame])
        let entry = attack.frames[1].address.raw
        let update = Hypercall.MMUUpdates(requests: [(pointer: entry, value: 0 as UInt64)])
        XCTAssertEqual(attack.call(.mmuUpdate(update)).value, 0)
        XCTAssertEqual(attack.call(.memory(.decrease([frame], order: 0))).value, 1)
        if flushes { XCTAssertEqual(attack.call(.mmuExtended([.init(number: 10)], pages: .oneself)).value, 0) }
        return attack.machine.flushClock
      }
      second.at(host) { attack in
        let got = attack.call(.memory(.increase(count: 2, order: 0)))
        XCTAssertEqual(got.frames, [frame], "no more than it was built with")
      }
      first.at(host) { attack in
        XCTAssertEqual(attack.cached, [])
        XCTAssertEqual(attack.machine.flushClock, clock + (flushes ? 0 : 1))
      }
    }
  }
}

extension Attack {
  /// Does something while the machine is this domain's.
  mutating func at<Result>(_ host: XenHost, _ body: (inout Attack) -> Result) -> Result {
    host.lend(&backend, &machine, &cpu)
    defer { host.takeBack(&backend, &machine) }
    return body(&self)
  }

  /// Frames that the TLB has.
  var cached: [MPN] {
    cpu.data.entries().filter { $0.data & TLBData.allowed != 0 }.map { TLBData.frame($0.data) }
  }
}
