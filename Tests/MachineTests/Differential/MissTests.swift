import Paging
import XCTest

@testable import Machine

/// What the first TLB level does not have is found by one piece of code where nothing but the mode takes part; else, and
/// wherever checks look on, on the long way. Both count the same.
final class MissTests: XCTestCase {
  /// nil: the guest loads CR3.
  private typealias Step = (access: Access?, address: UInt64)

  func testMissesCountTheSameOnBothWays() {
    for seed in seeds(60) {
      var random = SplitMix64(seed: seed &* 0x9000_0011)
      let (guest, machine, settings) = (Self.guest(&random), Self.machine(&random), Self.settings(&random))
      let steps = (0..<300).map { _ in Self.step(&random) }
      for mode in [Mode.native, .emulatedTLB, .shadow, .nested] {
        guard Self.problem(guest, steps, mode, machine, settings) != nil else { continue }
        let least = shrink(steps) { Self.problem(guest, $0, mode, machine, settings) != nil }
        XCTFail(
          """
          MEMLAB_SEED=\(seed) \(mode): \(Self.problem(guest, least, mode, machine, settings) ?? "")
          \(Self.making(least, guest).text)
          """)
      }
    }
  }

  private static func problem(
    _ guest: Guest, _ steps: [Step], _ mode: Mode, _ machine: MachineDescription, _ settings: Settings
  ) -> String? {
    let guest = making(steps, guest)
    do {
      let seen = try guest.run(mode, on: machine, settings)
      let unseen = try guest.run(mode, on: machine, settings, checks: false, batch: 4096)
      if seen.counters != unseen.counters { return "\(seen.counters) with checks, \(unseen.counters) without" }
      if seen.tables != unseen.tables || seen.events != unseen.events { return "not the same tables and events" }
      let different = seen.translations.symmetricDifference(unseen.translations)
      return different.isEmpty ? nil : "in one TLB alone: \(different.map { $0.map { String($0, radix: 16) } })"
    } catch {
      return "\(error)"
    }
  }

  private static func making(_ steps: [Step], _ guest: Guest) -> Guest {
    var guest = guest
    for step in steps {
      if let access = step.access { guest.access(access, step.address) } else { guest.cr3(guest.root) }
    }
    return guest
  }

  // MARK: What is drawn

  private static var smallPages: UInt64 { 24 }

  /// Pages of all rights, some not there, some with A and D to be set, some with reserved bits, below tables that take
  /// rights away.
  private static func guest(_ random: inout SplitMix64) -> Guest {
    var guest = Guest()
    for page in 0..<smallPages {
      guest.map(small(page), to: 0x100_0000 + page << 12)
      let flags = flags(&random) | (random.oneIn(8) ? 1 << 47 : 0)
      guest.set(0x100_0000 + page << 12 | flags, at: guest.entry(small(page)))
    }
    for page in 0..<4 as Range<UInt64> {
      guest.map(large(page), to: 0x1000_0000 + page << 21, size: .large)
      let flags = flags(&random) | 0x80 | (random.oneIn(4) ? 1 << 13 : 0)
      guest.set(0x1000_0000 + page << 21 | flags, at: guest.entry(large(page), level: 2))
    }
    // One leads to a table of the guest's.
    guest.map(small(smallPages), to: guest.entry(small(0)) & ~0xfff)
    for page in stride(from: 0, to: smallPages, by: 8) where random.oneIn(2) {
      let place = guest.entry(small(page), level: 2)
      guest.set(guest.words[place, default: 0] & ~0xfff | flags(&random), at: place)
    }
    guest.boot(cr4: CR4.pae | (random.oneIn(2) ? CR4.globalPages : 0) | (random.oneIn(3) ? CR4.smep : 0))
    return guest
  }

  /// Eight pages a table.
  private static func small(_ page: UInt64) -> UInt64 { (page / 8) << 21 | (page % 8) << 12 }
  private static func large(_ page: UInt64) -> UInt64 { 0x4000_0000 | page << 21 }

  private static func flags(_ random: inout SplitMix64) -> UInt64 {
    var flags = EntryFlags.readWriteUser
    flags.formUnion([.accessed, .dirty])
    for flag in [EntryFlags.present, .writable, .user, .accessed, .dirty] where random.oneIn(6) { flags.remove(flag) }
    for flag in [EntryFlags.global, .noExecute] where random.oneIn(4) { flags.insert(flag) }
    return flags.rawValue
  }

  private static func step(_ random: inout SplitMix64) -> Step {
    if random.oneIn(30) { return (nil, 0) }
    let access = Access(random.pick([AccessKind.load, .load, .store, .fetch]), user: !random.oneIn(3))
    let page = UInt64(random.below(Int(smallPages) + 5))
    if page == smallPages { return (Access(AccessKind.load, user: true), small(page)) }
    let piece = UInt64(random.below(random.oneIn(4) ? 512 : 3)) << 12
    let start = page < smallPages ? small(page) : large(page - smallPages - 1) | piece
    return (access, start | UInt64(random.below(500)) << 3)
  }

  /// TLBs that are missed often, and caches of walks that mostly answer.
  private static func machine(_ random: inout SplitMix64) -> MachineDescription {
    var machine = MachineDescription(name: "drawn")
    func level(_ ways: [Int]) -> [TLBGeometry] {
      [
        TLBGeometry([.small], sets: random.pick([1, 2, 4]), ways: random.pick(ways)),
        TLBGeometry([.large, .huge], sets: random.pick([1, 2]), ways: random.pick(ways)),
      ]
    }
    (machine.l1Data, machine.l1Instruction, machine.l2) = (level([1, 2]), level([1, 2]), level([2, 4]))
    machine.pagingStructureCaches = [2: random.pick([2, 16]), 3: 4, 4: 4]
    if random.oneIn(2) {
      machine.nestedTLB = [TLBGeometry([random.pick([.small, .large])], sets: 1, ways: random.pick([2, 16]))]
    }
    if !random.oneIn(4) { machine.nestedStructureCaches = [2: random.pick([2, 16]), 3: 4] }
    if random.oneIn(2) { machine.walkCaches = [CacheGeometry(sets: 4, ways: 8, cycles: 5)] }
    return machine
  }

  /// Nested tables of all kinds, some of whose pages are watched.
  private static func settings(_ random: inout SplitMix64) -> Settings {
    var settings = Settings()
    func draw(_ key: String, _ values: [String]) { XCTAssertNil(settings.set(key, to: random.pick(values))) }
    draw("nested.page", ["4K", "2M", "1G"])
    draw("nested.fill", settings.nested.page == .small ? ["lazy"] : ["lazy", "eager"])
    draw("nested.format", ["ept", "npt"])
    draw("nested.ad", ["on", "off"])
    draw("nested.levels", settings.nested.page == .small ? ["4", "5", "2"] : ["4", "5"])
    // Pages that may not be written.
    draw("trace.rom", ["1002000+2000", "10201000+1000", "70000000+1000"])
    draw("nested.mbec", ["off", "on"])
    draw("nested.vpid", ["on", "on", "off"])
    draw("nested.tlb", ["all", "all", "tables"])
    draw("nested.structures", ["all", "all", "tables"])
    draw("walk.cache", ["all", "all", "guest"])
    return settings
  }
}
