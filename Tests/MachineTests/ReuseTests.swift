import Paging
import XCTest

@testable import Machine

/// The misses of TLBs of every size in one replay, against replays at single sizes.
final class ReuseTests: XCTestCase {
  private static let sizes = [1, 2, 3, 4, 6, 10, 20, 60]

  /// Depths against arrays of each size that are kept apart.
  func testDepthsAreThoseOfSeparateArrays() {
    for seed in seeds(30) {
      var random = SplitMix64(seed: seed)
      let things = random.pick([3, 8, 40])
      let sizes = [1, 2, 3, 5, 8, 40]
      var arrays = Array(repeating: [Int](), count: sizes.count)
      var order = RecencyOrder()
      for step in 0..<3000 {
        let thing = random.below(things)
        let isKnown = arrays[sizes.count - 1].contains(thing)
        if random.oneIn(6) {
          if isKnown { order.remove(thing) }
          for index in arrays.indices { arrays[index].removeAll { $0 == thing } }
          continue
        }
        if random.oneIn(700) {
          order.removeAll()
          arrays = arrays.map { _ in [] }
          continue
        }
        let depth = isKnown ? order.depth(of: thing) : Int.max
        for (index, size) in sizes.enumerated() {
          if arrays[index].contains(thing) != (depth <= size) {
            return XCTFail("MEMLAB_SEED=\(seed) step \(step): depth \(depth), \(arrays[index]) of \(size)")
          }
          arrays[index].removeAll { $0 == thing }
          if arrays[index].count == size { arrays[index].removeLast() }
          arrays[index].insert(thing, at: 0)
        }
        order.use(thing)
      }
    }
  }

  /// Guests that change their tables in every way there is, on few pages.
  func testRandomGuestsMissAsInSingleReplays() throws {
    for seed in seeds(40) {
      let plan = Plan(.flushing, seed: seed)
      let world = World(plan, plan.steps())
      try compare(world.guest, plan.machine, plan.settings(isExact: false), "MEMLAB_SEED=\(seed)")
    }
  }

  /// Guests that go over many pages, flush a few, and give rights without a flush.
  func testRandomWorkingSetsMissAsInSingleReplays() throws {
    for seed in seeds(30) {
      var program = ReuseProgram(seed: seed)
      let guest = program.make()
      let curves = try compare(guest, .roomy, Settings(), "MEMLAB_SEED=\(seed)")
      XCTAssertGreaterThan(curves?.largest ?? 0, 8, "MEMLAB_SEED=\(seed)")
    }
  }

  @discardableResult
  private func compare(
    _ guest: Guest, _ machine: MachineDescription, _ settings: Settings, _ place: String
  ) throws -> ReuseCurves? {
    let curves = try XCTUnwrap(guest.reuse(on: machine, settings))
    XCTAssertEqual(curves.staleHits, 0, place)
    for size in Self.sizes {
      let single = try guest.run(.native, on: machine.associative(size), settings, checks: false).counters
      if single.tlbMisses != curves.misses(entries: size) {
        XCTFail("\(place), \(size) entries: \(curves.misses(entries: size)), a single replay \(single.tlbMisses)")
        return nil
      }
      XCTAssertEqual(single.translations, curves.translations, place)
    }
    return curves
  }

  /// Three pages, INVLPG of the latest: an array of two does not get the third back.
  func testAFlushedEntryLeavesAHole() throws {
    var guest = Guest.mapped(pages: 3)
    for page in [0, 1, 2] as [UInt64] { guest.read(page << 12) }
    guest.invlpg(2 << 12)
    guest.read(0)
    guest.read(1 << 12)
    try check(guest, [1: 5, 2: 4, 3: 3])
  }

  /// The entry is made writable without a flush, which is allowed. Three entries still have the old one when the store
  /// comes; two have evicted it, and their load got the new.
  func testLargeArraysKeepFewerRights() throws {
    var guest = Guest.mapped(pages: 3, rights: .readUser)
    for page in [0, 1, 2] as [UInt64] { guest.read(page << 12) }
    guest.store(0x20_0000 | EntryFlags.readWriteUser.rawValue | 0x60, at: guest.entry(0))
    guest.read(0)
    guest.write(0)
    try check(guest, [1: 4, 2: 4, 3: 4])
    guest.read(1 << 12)
    guest.read(0)
    try check(guest, [1: 6, 2: 5, 3: 4])
  }

  /// Pages of two sizes, fetches and data: arrays of their own.
  func testArraysAreIndependent() throws {
    var guest = Guest.mapped(pages: 2)
    for _ in 0..<3 {
      for page in [0, 1] as [UInt64] { guest.read(page << 12) }
      guest.fetch(0)
    }
    let curves = try XCTUnwrap(guest.reuse(on: .plainTLB, Settings()))
    let fetches = curves.curves.first { $0.isFetch && $0.pageSize == .small }
    let data = curves.curves.first { !$0.isFetch && $0.pageSize == .small }
    XCTAssertEqual(fetches?.misses, [1])
    XCTAssertEqual(data?.misses, [6, 2])
    XCTAssertEqual(curves.misses(entries: 1), 7)
    XCTAssertEqual(curves.misses(entries: 9), 3)
    XCTAssertEqual(curves.accesses, 9)
  }

  private func check(_ guest: Guest, _ expected: [Int: UInt64], line: UInt = #line) throws {
    let curves = try XCTUnwrap(guest.reuse(on: .plainTLB, Settings()))
    for (size, misses) in expected {
      XCTAssertEqual(curves.misses(entries: size), misses, "\(size) entries", line: line)
      let single = try guest.run(.native, on: MachineDescription.plainTLB.associative(size))
      XCTAssertEqual(single.counters.tlbMisses, misses, "single replay, \(size) entries", line: line)
    }
  }
}

extension MachineDescription {
  /// The same machine with one level of TLB, fully associative, of so many entries an array.
  func associative(_ entries: Int) -> MachineDescription {
    var machine = self
    machine.l1Data = PageSize.allCases.map { TLBGeometry([$0], sets: 1, ways: entries) }
    machine.l1Instruction = machine.l1Data
    machine.l2 = []
    return machine
  }
}

extension Guest {
  /// Pages from address 0 on, all present.
  fileprivate static func mapped(pages: UInt64, rights: EntryFlags = .readWriteUser) -> Guest {
    var guest = Guest()
    for page in 0..<pages { guest.map(page << 12, to: 0x20_0000 + page << 12, rights) }
    guest.boot()
    return guest
  }

  fileprivate func reuse(on machine: MachineDescription, _ settings: Settings) throws -> ReuseCurves? {
    let simulation = try Simulation(.reuse(on: machine, settings, guest: .scenario))
    var batch = OperationBatch()
    for (number, item) in items.enumerated() {
      if batch.isFull {
        try simulation.replay(batch)
        batch.removeAll(first: UInt64(number))
      }
      batch.append(item.operation, words: item.words)
    }
    try simulation.replay(batch)
    try simulation.finish()
    return simulation.reuse
  }
}
