import Paging
import XCTest

@testable import Machine

/// An IOMMU's table is in machine memory: what a walk of it finds, and which frames it takes.
final class IOMMUTableTests: XCTestCase {
  /// A table with the frames that may be lent to it.
  private struct Lender: ~Copyable {
    var memory = MachineMemory()
    var table: IOMMUTable
    private var free: [MPN]
    var lentFrames: Int { 1000 - free.count }

    init() {
      // Whatever they held.
      for frame in 1...1000 as ClosedRange<UInt64> { memory.write(MPN(frame).entryAddress(index: 7), .max) }
      free = (1..<1000).map { MPN(UInt64($0)) }
      table = IOMMUTable(root: MPN(1000), &memory)
    }

    mutating func set(_ page: UInt64, level: Int = 1, _ entry: IOMMU.Entry?) {
      let needed = table.framesNeeded(page, memory)
      var lent = Array(free.suffix(needed))
      free.removeLast(needed)
      table.set(page, level: level, entry, &lent, &memory)
      free += lent
    }
  }

  private func entry(_ frame: UInt64, _ access: IOMMU.Access = [.read, .write]) -> IOMMU.Entry {
    IOMMU.Entry(frame: MPN(frame), access: access)
  }

  /// The first page takes a frame for each level; its neighbours none, until another 2 MiB begin; empty ones go, but for the first.
  func testFramesComeAndGo() {
    var lender = Lender()
    XCTAssertEqual(lender.lentFrames, 1)
    lender.set(5, entry(77))
    XCTAssertEqual(lender.lentFrames, 4)
    lender.set(511, entry(78, .read))
    XCTAssertEqual(lender.lentFrames, 4)
    lender.set(512, entry(79))
    XCTAssertEqual(lender.lentFrames, 5)
    lender.set(1 << 27, entry(80))
    XCTAssertEqual(lender.lentFrames, 8)
    XCTAssertEqual(lender.table.frames.count, 8)
    XCTAssertEqual(lender.table.smallEntries(lender.memory), [5, 511, 512, 1 << 27])
    XCTAssertNil(lender.table.violatedFrames(lender.memory))
    // What was not there is not taken out.
    lender.set(9 << 27, nil)
    lender.set(6, nil)
    XCTAssertEqual(lender.lentFrames, 8)
    for (page, frames) in [(5, 8), (512, 7), (511, 4), (1 << 27, 1)] as [(UInt64, Int)] {
      lender.set(page, nil)
      XCTAssertEqual(lender.lentFrames, frames, "\(page)")
      XCTAssertNil(lender.table.violatedFrames(lender.memory))
    }
  }

  /// A page of 2 MiB or 1 GiB takes no table below it, and falls into its parts when one of them changes.
  func testLargePagesAreSplit() {
    var lender = Lender()
    lender.set(3 << 18, level: 3, entry(3 << 18))
    XCTAssertEqual(lender.lentFrames, 2)
    XCTAssertEqual(lender.table.entry(3 << 18 + 12345, lender.memory)?.frame, MPN(3 << 18 + 12345))
    XCTAssertNil(lender.table.entry(4 << 18, lender.memory))
    lender.set(3 << 18 + 12345, nil)
    XCTAssertEqual(lender.lentFrames, 4)
    XCTAssertNil(lender.table.entry(3 << 18 + 12345, lender.memory))
    for page in [0, 12344, 12346, 1 << 18 - 1] as [UInt64] {
      XCTAssertEqual(lender.table.entry(3 << 18 + page, lender.memory)?.frame, MPN(3 << 18 + page))
      XCTAssertEqual(lender.table.entry(3 << 18 + page, lender.memory)?.access, [.read, .write])
    }
    XCTAssertNil(lender.table.violatedFrames(lender.memory))
  }

  /// Random changes against a plain list of what is mapped.
  func testRandomChanges() {
    for seed in seeds(6) {
      var random = SplitMix64(seed: seed)
      var lender = Lender()
      var expected: [UInt64: IOMMU.Entry] = [:]
      for _ in 0..<300 {
        let page = random.pick([0, 600, 1 << 18, 5 << 30]) + UInt64(random.below(3)) * UInt64(random.below(300))
        if random.oneIn(2) {
          let access: IOMMU.Access = random.pick([.read, .write, [.read, .write]])
          expected[page] = entry(random.next() & 0xff_ffff, access)
        } else {
          expected[page] = nil
        }
        lender.set(page, expected[page])
      }
      for page in expected.keys {
        let found = lender.table.entry(page, lender.memory)
        XCTAssertEqual(found?.frame, expected[page]?.frame, "MEMLAB_SEED=\(seed)")
        XCTAssertEqual(found?.access, expected[page]?.access, "MEMLAB_SEED=\(seed)")
      }
      XCTAssertEqual(Set(lender.table.smallEntries(lender.memory)), Set(expected.keys), "MEMLAB_SEED=\(seed)")
      XCTAssertNil(lender.table.violatedFrames(lender.memory), "MEMLAB_SEED=\(seed)")
      XCTAssertEqual(lender.table.frames.count, lender.lentFrames)
      for page in expected.keys { lender.set(page, nil) }
      XCTAssertEqual(lender.table.frames, [lender.table.root])
    }
  }

  /// On a host the table's frames are overhead of the machine's: four for pages of 2 MiB, and one when all have been taken out.
  func testFramesAreOverheadOfTheMachine() throws {
    for mode in HostTests.modes {
      func overhead(_ way: String, scanned: Int, _ body: (inout Guest) -> Void) throws -> UInt64 {
        var guest = Guest()
        for page in 0..<20 as Range<UInt64> { guest.map(0x40_0000 + page << 12, to: 0x100_0000 + page << 12) }
        guest.boot()
        guest.read(0x40_0000)
        body(&guest)
        var member = HostRun.Member(guest: guest, mode: mode)
        XCTAssertNil(member.settings.set("dma.translation", to: way))
        var settings = HostSettings(memory: 4 << 20)
        settings.scannedPages = scanned
        let run = HostRun(members: [member], settings: settings)
        let outcomes = try run.outcomes { host, _ in
          if let problem = host.violatedInvariant() { throw HostProblem(description: problem) }
        }
        XCTAssertEqual(outcomes[0].divergences.count, 0)
        return outcomes[0].counters.hostOverhead
      }
      let transfer = { (guest: inout Guest) in guest.dma(0x100_0000, 20 << 12, writes: false) }
      let without = try overhead("copy", scanned: 0, transfer)
      XCTAssertEqual(try overhead("iommu", scanned: 0, transfer), without + 4, "\(mode)")
      // Pages that come to be shared are out of the devices' reach.
      let shared = { (guest: inout Guest) in
        guest.dma(0x100_0000, 20 << 12, writes: false)
        for page in 0..<20 as Range<UInt64> { guest.append(Operation(.content, 0x100_0000 + page << 12), [7]) }
        for _ in 0..<400 { guest.read(0x40_0000) }
      }
      let kept = try overhead("iommu", scanned: 100, shared)
      XCTAssertEqual(kept, try overhead("copy", scanned: 100, shared) + 1, "\(mode)")
    }
  }

  /// A domain that is gone leaves none of its table's frames behind.
  func testFramesAreFreeWhenADomainIsGone() {
    var attack = Attack()
    let before = attack.machine.physmap.ownFrames
    attack.takeDevices()
    XCTAssertEqual(attack.machine.physmap.ownFrames, before + 4)
    _ = attack.call(.destroy)
    XCTAssertEqual(attack.machine.physmap.ownFrames, before)
  }

  /// A domain's table under direct paging: a large page for each 2 MiB, and another frame where one is no table's any more.
  func testDomainsTableTakesFrames() throws {
    var guest = Guest()
    guest.map(0x40_0000, to: 0x100_0000)
    guest.boot()
    guest.read(0x40_0000)
    var settings = Settings()
    let plain = try guest.run(.direct, settings).counters
    XCTAssertNil(settings.set("direct.iommu", to: "on"))
    let own = try guest.run(.direct, settings).counters
    // Its own tables, which devices may not reach, lie in one 2 MiB: a table for each of four levels.
    XCTAssertEqual(own.machineFramesPeak, plain.machineFramesPeak + 4)
  }
}
