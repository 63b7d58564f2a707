import Paging
import XCTest

@testable import Machine

/// The set-associative arrays and the walker's caches against models in lists: random operations, every answer exactly
/// equal, for orders that are a word (up to sixteen ways), a list, or times.
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
      let recent = RecentEntries()
      let array = RecencyArray(sets: sets, ways: ways, clock: random.oneIn(2) ? recent.data.clock : nil)
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
            if array.hasTimes {
              array.insert(number, tag, data, number, .small, for: recent.data)
            } else {
              array.insert(number, tag, data)
            }
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

  /// The first TLB level as the loop asks it against the same that is searched each time: random fills, drops and contexts,
  /// every answer and every entry exactly equal, for arrays of all kinds of order.
  func testWhatTheLoopLetsPassIsWhatALookUpFinds() {
    var passed = 0
    for seed in seeds(50) {
      var random = SplitMix64(seed: seed)
      let geometries = Self.geometries(&random)
      let asked = RecentEntries()
      let searched = RecentEntries()
      var first = TLBLevel(geometries, recent: asked.data)
      var second = TLBLevel(geometries, recent: searched.data)
      // And a level that no loop asks.
      var third = TLBLevel(geometries)
      var context: UInt64 = 0
      for step in 0..<700 {
        let place = "MEMLAB_SEED=\(seed), step \(step), \(geometries)"
        // Pages that share slots of each kind, near and far. A gigabyte has pages of one size: of two entries for one
        // page any may answer.
        let region = random.below(3)
        let near = UInt64(random.below(random.oneIn(2) ? 12 : 900)) << (random.oneIn(3) ? 8 : 0)
        let page = UInt64(region) << 18 | near
        let sizes = geometries.flatMap(\.pageSizes)
        let size = sizes[region % sizes.count]
        let access = random.pick(Access.all.filter { !$0.isFetch })
        switch random.below(40) {
        case 0:
          first.remove(page, context: context)
          second.remove(page, context: context)
          third.remove(page, context: context)
        case 1 where random.oneIn(4):
          first.removeAll()
          second.removeAll()
          third.removeAll()
        case 2:
          let bit: UInt64 = 1 << 19
          first.removeAll { $0.tag & bit != 0 }
          second.removeAll { $0.tag & bit != 0 }
          third.removeAll { $0.tag & bit != 0 }
        case 3 where random.oneIn(2):
          context = UInt64(random.below(3))
          first.forgetRecent()
        default:
          second.forgetRecent()
          let expected = second.lookUp(page, context: context)
          let time = asked.time
          var data = expected
          if asked.data.passes(page << 12 | 8, Int(access.code), at: time + 1) {
            asked.time = time + 1
            passed += 1
            XCTAssertTrue(expected & access.bit != 0, place)
          } else {
            let isLacking = first.surelyLacks(page, context: context)
            data = first.lookUp(page, context: context)
            XCTAssertEqual(data, expected, place)
            XCTAssertTrue(!isLacking || data == 0, place)
          }
          XCTAssertEqual(third.find(page, context: context), expected, place)
          if data & access.bit == 0 {
            let translation = Translation(
              frame: MPN(UInt64(step) << 20), size: size, guestSize: size, rights: .all, isDirty: true, isGlobal: false)
            let new = TLBData.make(translation, allowed: access.bit | (random.oneIn(2) ? 0x33 : 0))
            second.fill(page, data: new, context: context, isNew: data == 0)
            if data == 0 && random.oneIn(2) {
              first.addForLoop(page, data: new, context: context)
              third.add(page, data: new, context: context)
            } else {
              first.fill(page, data: new, context: context, isNew: data == 0)
              third.fill(page, data: new, context: context, isNew: data == 0)
            }
          }
        }
        XCTAssertFalse(asked.nothing.passes(page << 12, Int(access.code), at: .max), place)
      }
      let expected = Set(second.entries().map(\.data))
      for level in [first.entries(), third.entries()] {
        XCTAssertEqual(Set(level.map(\.data)), expected, "MEMLAB_SEED=\(seed)")
      }
    }
    XCTAssertGreaterThan(passed, 0)
  }

  private static func geometries(_ random: inout SplitMix64) -> [TLBGeometry] {
    func array(_ sizes: [PageSize]) -> TLBGeometry {
      TLBGeometry(sizes, sets: random.pick([1, 1, 2, 3, 4, 16]), ways: random.pick([1, 2, 3, 4, 8, 17, 40, 65, 80]))
    }
    switch random.below(3) {
    case 0: return [array([.small]), array([.large]), array([.huge])]
    case 1: return [array([.small, .large]), array([.huge])]
    default: return [array([.small])]
    }
  }

  /// What the loop asks has what was used lately, of the accesses that it allows, until it is replaced or forgotten.
  func testRecentEntriesAreThoseUsedLately() {
    let geometries = [TLBGeometry([.small], sets: 4, ways: 2), TLBGeometry([.large, .huge], sets: 2, ways: 2)]
    let recent = RecentEntries()
    var level = TLBLevel(geometries, recent: recent.data)
    func passes(_ page: UInt64, _ access: Access) -> Bool {
      recent.time += 1
      return recent.data.passes(page << 12, Int(access.code), at: recent.time)
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
    // Another page of its set: both pass, and the third takes the place of the one that passed longest ago.
    level.addForLoop(9, data: data(8, .small, load.bit | store.bit), context: 3)
    XCTAssertTrue(passes(9, store) && passes(5, load))
    level.addForLoop(13, data: data(7, .small, load.bit), context: 3)
    XCTAssertTrue(passes(5, load) && passes(13, load) && !passes(9, load))
    XCTAssertEqual(level.lookUp(9, context: 3), 0)
    // A large page, of which a small one is a part, and whose parts share slots.
    level.fill(512, data: data(1024, .large, load.bit), context: 3, isNew: true)
    XCTAssertTrue(
      passes(512, load) && passes(1023, load) && passes(600, load) && !passes(1024, load) && passes(5, load))
    level.fill(3 << 18, data: data(0, .huge, load.bit), context: 3, isNew: true)
    XCTAssertTrue(passes(512, load) && passes(3 << 18 + 5, load))
    level.remove(5, context: 3)
    XCTAssertFalse(passes(5, load))
    // Less is allowed than before.
    level.fill(13, data: data(7, .small, store.bit), context: 3, isNew: false)
    XCTAssertTrue(passes(13, store) && !passes(13, load))
    level.noteLone(77, data(1, .small, load.bit))
    XCTAssertTrue(passes(77, load))
    level.remove(77, context: 3)
    XCTAssertFalse(passes(77, load))
    level.noteLone(77, data(1, .small, load.bit))
    level.removeAll { _ in false }
    XCTAssertTrue(passes(13, store) && !passes(77, load), "what is no array's entry is forgotten with any")
    level.forgetRecent()
    XCTAssertFalse(passes(13, store) || passes(512, load) || passes(600, load))
    XCTAssertNotEqual(level.lookUp(13, context: 3), 0)
    XCTAssertTrue(passes(13, store))
    level.refresh(
      under: PagingControls(.initial, maxPhysicalAddressBits: 46, hasHugePages: true, alignmentCheckFlag: false))
    XCTAssertFalse(passes(13, store), "rights have been worked out again")
    XCTAssertNotEqual(level.lookUp(13, context: 3), 0)
    level.removeAll()
    XCTAssertFalse(passes(13, store))
  }
}
