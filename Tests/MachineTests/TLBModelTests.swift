import Paging
import XCTest

@testable import Machine

/// The TLBs and paging-structure caches against a model in arrays: random streams, hits and misses exactly equal
/// (L1 first, L2 on its miss, a walk fills both, an L2 hit fills L1, exact LRU).
final class TLBModelTests: XCTestCase {
  /// One array: each set a list of page tags, the latest first.
  private struct ModelArray {
    let geometry: TLBGeometry
    var sets: [[String]]

    init(_ geometry: TLBGeometry) {
      self.geometry = geometry
      sets = Array(repeating: [], count: geometry.sets)
    }

    mutating func touch(_ page: UInt64, _ size: PageSize, fills: Bool) -> Bool {
      let number = page / size.pages
      let set = Int(number % UInt64(geometry.sets))
      let tag = "\(size.name) \(number)"
      let known = sets[set].firstIndex(of: tag)
      guard fills || known != nil else { return false }
      if let known { sets[set].remove(at: known) }
      sets[set].insert(tag, at: 0)
      if sets[set].count > geometry.ways { sets[set].removeLast() }
      return known != nil
    }
  }

  private struct ModelLevel {
    var arrays: [ModelArray]
    init(_ geometries: [TLBGeometry]) { arrays = geometries.map(ModelArray.init) }

    mutating func touch(_ page: UInt64, _ size: PageSize, fills: Bool) -> Bool {
      guard let index = arrays.firstIndex(where: { $0.geometry.pageSizes.contains(size) }) else { return false }
      return arrays[index].touch(page, size, fills: fills)
    }
  }

  private struct Model {
    var data: ModelLevel
    var fetches: ModelLevel
    var second: ModelLevel
    var structures: [Int: [UInt64]] = [:]
    let machine: MachineDescription
    var hits = [0, 0, 0]
    var references = 0

    init(_ machine: MachineDescription) {
      self.machine = machine
      data = ModelLevel(machine.l1Data)
      fetches = ModelLevel(machine.l1Instruction)
      second = ModelLevel(machine.l2)
    }

    mutating func access(_ page: UInt64, _ size: PageSize, isFetch: Bool) {
      let isFirst = isFetch ? fetches.touch(page, size, fills: false) : data.touch(page, size, fills: false)
      if isFirst {
        hits[0] += 1
        return
      }
      let isSecond = second.touch(page, size, fills: false)
      hits[isSecond ? 1 : 2] += 1
      if !isSecond {
        walk(page, size)
        _ = second.touch(page, size, fills: true)
      }
      _ = isFetch ? fetches.touch(page, size, fills: true) : data.touch(page, size, fills: true)
    }

    /// The walk starts below the deepest paging-structure entry that hits, and enters those that it passes.
    private mutating func walk(_ page: UInt64, _ size: PageSize) {
      var top = 4
      for level in 2...4 where top == 4 {
        let tag = page >> UInt64(9 * (level - 1))
        guard let index = structures[level]?.firstIndex(of: tag) else { continue }
        structures[level]?.remove(at: index)
        structures[level]?.insert(tag, at: 0)
        top = level - 1
        break
      }
      references += top - size.level + 1
      guard top > size.level else { return }
      for level in size.level + 1...top {
        guard let capacity = machine.pagingStructureCaches[level] else { continue }
        let tag = page >> UInt64(9 * (level - 1))
        var entries = structures[level] ?? []
        entries.removeAll { $0 == tag }
        entries.insert(tag, at: 0)
        structures[level] = Array(entries.prefix(capacity))
      }
    }
  }

  private func machine(_ random: inout SplitMix64) -> MachineDescription {
    var machine = MachineDescription()
    func level(_ limit: Int) -> [TLBGeometry] {
      let shared: [[[PageSize]]] = [
        [[.small, .large, .huge]], [[.small], [.large, .huge]], [[.small], [.large], [.huge]],
        [[.small, .huge], [.large]], [[.small]],
      ]
      return random.pick(shared).map {
        TLBGeometry(
          $0, sets: 1 + random.below(limit), ways: random.oneIn(4) ? 15 + random.below(5) : 1 + random.below(4))
      }
    }
    machine.l1Data = level(7)
    machine.l1Instruction = level(5)
    machine.l2 = random.oneIn(8) ? [] : level(17)
    for level in 2...4 where !random.oneIn(3) {
      machine.pagingStructureCaches[level] = random.oneIn(4) ? 17 : 1 + random.below(5)
    }
    return machine
  }

  /// Pages of three sizes in four 1 GiB regions; identity-mapped with A and D set, so that no walk is for D.
  private func mapping(_ random: inout SplitMix64) -> (guest: Guest, pages: [(va: UInt64, size: PageSize)]) {
    var guest = Guest()
    let flags: EntryFlags = [.present, .writable, .user, .dirty]
    var pages: [(UInt64, PageSize)] = []
    for index in 0..<3 as Range<UInt64> {
      guest.map((index + 8) << 30, to: 0, flags, size: .huge)
      pages.append(((index + 8) << 30, .huge))
      for part in 0..<4 as Range<UInt64> {
        guest.map(index << 30 | part << 21, to: 0, flags, size: .large)
        pages.append((index << 30 | part << 21, .large))
      }
      for part in 0..<12 as Range<UInt64> {
        let va = index << 30 | (8 + part / 4) << 21 | part << 12
        guest.map(va, to: 0x5000, flags)
        pages.append((va, .small))
      }
    }
    return (guest, pages)
  }

  func testRandomStreamsHitAndMissAsTheModel() throws {
    for seed in seeds(60) {
      var random = SplitMix64(seed: seed)
      let machine = machine(&random)
      var (guest, pages) = mapping(&random)
      guest.boot()
      var model = Model(machine)
      for _ in 0..<800 {
        let (base, size) = random.pick(pages)
        let offset = random.below(4) == 0 ? UInt64(random.next() % size.pages) << 12 : 0
        let access = random.pick(Access.all.filter(\.isUser))
        guest.access(access, base + offset)
        model.access((base + offset) >> 12, size, isFetch: access.isFetch)
      }
      for checks in [true, false] {
        let counters = try guest.run(.native, on: machine, checks: checks).counters
        let found = [counters.tlbL1Hits, counters.tlbL2Hits, counters.tlbMisses].map(Int.init)
        XCTAssertEqual(found, model.hits, "MEMLAB_SEED=\(seed) checks \(checks) \(machine)")
        XCTAssertEqual(Int(counters.walkReferences), model.references, "MEMLAB_SEED=\(seed) checks \(checks)")
        XCTAssertEqual(counters.divergences, 0)
      }
    }
  }

  /// An entry is found under its own PCID alone, unless it is global (SDM 3A 4.10.2.4).
  func testPCIDTagsAndGlobalPages() throws {
    var guest = Guest()
    guest.map(0x1000, to: 0x5000)
    guest.map(0x2000, to: 0x6000, [.present, .writable, .user, .global])
    guest.boot(cr4: CR4.pae | CR4.pcid | CR4.globalPages)
    for pcid: UInt64 in [1, 2, 1, 0xfff] {
      guest.cr3(guest.root | pcid | CR3.noFlush)
      guest.read(0x1000)
      guest.read(0x2000)
    }
    let counters = try guest.run(.native, on: .plainTLB).counters
    // The local page misses under 1, 2 and 0xfff, the global one once.
    XCTAssertEqual([counters.tlbMisses, counters.tlbL1Hits], [4, 4])
    // Without CR4.PGE no page is global: every PCID misses its own.
    var off = Guest()
    off.map(0x2000, to: 0x6000, [.present, .writable, .user, .global])
    off.boot(cr4: CR4.pae | CR4.pcid)
    for pcid: UInt64 in [1, 2, 1] {
      off.cr3(off.root | pcid | CR3.noFlush)
      off.read(0x2000)
    }
    XCTAssertEqual(try off.run(.native, on: .plainTLB).counters.tlbMisses, 2)
  }
}
