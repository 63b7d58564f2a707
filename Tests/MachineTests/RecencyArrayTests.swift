import Paging
import XCTest

@testable import Machine

/// The set-associative arrays and the walker's caches against models in lists: random operations, every answer exactly
/// equal, for orders that are a word (up to sixteen ways) and for those that are a list.
final class RecencyArrayTests: XCTestCase {
  /// Each set a list of tags and values, the latest first.
  private struct Model {
    let sets: Int
    let ways: Int
    var entries: [[TLBEntry]]

    init(sets: Int, ways: Int) {
      (self.sets, self.ways) = (sets, ways)
      entries = Array(repeating: [], count: sets)
    }

    mutating func search(_ number: UInt64, _ tag: UInt64) -> UInt64 {
      let set = Int(number % UInt64(sets))
      guard let index = entries[set].firstIndex(where: { $0.matches(tag) }) else { return 0 }
      let entry = entries[set].remove(at: index)
      entries[set].insert(entry, at: 0)
      return entry.data
    }

    mutating func enter(_ number: UInt64, _ tag: UInt64, _ data: UInt64) {
      let set = Int(number % UInt64(sets))
      entries[set].removeAll { $0.matches(tag) }
      entries[set].insert(TLBEntry(tag: tag, data: data), at: 0)
      if entries[set].count > ways { entries[set].removeLast() }
    }
  }

  func testRandomOperationsAnswerAsTheModel() {
    for seed in seeds(80) {
      var random = SplitMix64(seed: seed)
      let sets = random.pick([1, 1, 2, 3, 4, 7])
      let ways = random.pick([0, 1, 2, 3, 4, 8, 12, 15, 16, 17, 24, 32, 33, 50])
      let array = RecencyArray(sets: sets, ways: ways)
      defer { array.free() }
      var model = Model(sets: sets, ways: ways)
      for step in 0..<600 {
        let number = UInt64(random.below(3 * sets * max(ways, 1) / 2 + 2))
        // A global entry answers for every PCID, so that its page has no other.
        let isGlobal = number % 5 == 0
        let pcid = UInt64(random.below(2))
        let tag = TLBEntry.tag(number, .small, context: pcid)
        let data = UInt64(step + 1) << 12 | (isGlobal ? TLBData.global : 0)
        let place = "MEMLAB_SEED=\(seed), \(sets) sets, \(ways) ways, step \(step)"
        switch random.below(12) {
        case 0:  // What is dropped leaves its way to the next.
          array.remove(number) { $0.matches(tag) }
          model.entries[Int(number) % sets].removeAll { $0.matches(tag) }
        case 1 where random.oneIn(4):
          array.removeAll { $0.context == pcid }
          for set in 0..<sets { model.entries[set].removeAll { $0.context == pcid } }
        case 2 where random.oneIn(20):
          array.removeAll()
          model = Model(sets: sets, ways: ways)
        case 3, 4:
          array.replace(number, tag, data)
          model.enter(number, tag, data)
        default:
          let found = array.search(number, tag)
          XCTAssertEqual(found, model.search(number, tag), place)
          if found == 0 && ways > 0 {
            array.insert(number, tag, data)
            model.enter(number, tag, data)
          }
        }
      }
      let expected = Set(model.entries.joined().map { [$0.tag, $0.data] })
      XCTAssertEqual(Set(array.entries.map { [$0.tag, $0.data] }), expected, "MEMLAB_SEED=\(seed)")
    }
  }

  func testWalkCachesAnswerAsTheModel() {
    for seed in seeds(60) {
      var random = SplitMix64(seed: seed)
      let geometries = (0..<random.below(4)).map { level in
        CacheGeometry(
          sets: random.pick([1, 2, 3, 8]), ways: random.pick([1, 3, 8, 8, 11, 16, 16, 20]),
          cycles: UInt64(level + 1) * 5)
      }
      var cache = WalkCache(geometries, memory: 77)
      var model = geometries.map { [[UInt64]](repeating: [], count: $0.sets) }
      for step in 0..<1500 {
        let line = UInt64(random.below(random.oneIn(2) ? 12 : 400))
        var expected: UInt64 = 77
        for (level, geometry) in geometries.enumerated() {
          let set = Int(line) % geometry.sets
          let known = model[level][set].firstIndex(of: line)
          if let known { model[level][set].remove(at: known) }
          model[level][set].insert(line, at: 0)
          if model[level][set].count > geometry.ways { model[level][set].removeLast() }
          if known != nil {
            expected = geometry.cycles
            break
          }
        }
        let found = cache.cycles(of: MachineAddress(line << 6 | 8))
        XCTAssertEqual(found, expected, "MEMLAB_SEED=\(seed), step \(step), \(geometries)")
      }
    }
  }

  /// What the loop asks has the latest entry of each set, of the accesses that it allows, until something else is the
  /// latest, or is forgotten.
  func testLatestEntriesAreThoseUsedLast() {
    let geometries = [TLBGeometry([.small], sets: 4, ways: 2), TLBGeometry([.large, .huge], sets: 2, ways: 2)]
    var level = TLBLevel(geometries, keepsLatest: true)
    let view = level.latestEntries(seesAll: false)
    let nothing = level.latestEntries(seesAll: true)
    func passes(_ page: UInt64, _ access: Access) -> Bool {
      XCTAssertGreaterThanOrEqual(Int64(bitPattern: nothing.find(page, UInt64(access.code))), 0)
      return Int64(bitPattern: view.find(page, UInt64(access.code))) < 0
    }
    func data(_ frame: UInt64, _ size: PageSize, _ allowed: UInt64) -> UInt64 {
      let translation = Translation(
        frame: MPN(frame), size: size, guestSize: size, rights: .all, isDirty: true, isGlobal: false)
      return TLBData.make(translation, allowed: allowed)
    }
    let (load, store) = (Access(AccessKind.load, user: true), Access(AccessKind.store, user: true))
    level.fill(5, data: data(9, .small, load.bit), context: 3, isNew: true)
    XCTAssertTrue(passes(5, load))
    XCTAssertFalse(passes(5, store))
    XCTAssertFalse(passes(1, load))
    XCTAssertFalse(passes(5 | 1 << 45, load), "an address that is not canonical")
    // Another page of its set, and back.
    level.insert(9, data: data(8, .small, load.bit | store.bit), context: 3)
    XCTAssertFalse(passes(5, load))
    XCTAssertTrue(passes(9, store))
    XCTAssertNotEqual(level.lookUp(5, context: 3), 0)
    XCTAssertTrue(passes(5, load))
    // A large page, of which a small one of another set is a part.
    level.fill(512, data: data(1024, .large, load.bit), context: 3, isNew: true)
    XCTAssertTrue(passes(512, load) && passes(1023, load) && !passes(1024, load) && passes(5, load))
    // A huge one takes the set that they share.
    level.fill(3 << 18, data: data(0, .huge, load.bit), context: 3, isNew: true)
    XCTAssertFalse(passes(512, load))
    level.remove(5, context: 3)
    XCTAssertFalse(passes(5, load))
    level.fill(6, data: data(9, .small, load.bit), context: 3, isNew: true)
    level.removeAll { _ in false }
    XCTAssertFalse(passes(6, load), "whoever drops many forgets all")
    XCTAssertNotEqual(level.lookUp(6, context: 3), 0)
    level.forgetLatest()
    XCTAssertFalse(passes(6, load))
  }
}
