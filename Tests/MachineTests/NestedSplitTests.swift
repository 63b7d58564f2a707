import Paging
import XCTest

@testable import Machine

/// Memory traces in a nested table of large pages: what they split, what they withhold, and what comes together again.
final class NestedSplitTests: XCTestCase {
  private let data: EntryFlags = [.present, .writable, .user, .accessed, .dirty]

  private func program(_ body: (inout Guest) -> Void) -> Guest {
    var guest = Guest()
    guest.append(.ram, 0x80_0000)
    for page in 0..<UInt64(8) { guest.map(0x10000 + page << 12, to: 0x20_0000 + page << 12, data) }
    guest.boot()
    body(&guest)
    return guest
  }

  private func run(_ guest: Guest, _ keys: [String: String]) throws -> Outcome {
    var settings = Settings()
    for (key, value) in keys { XCTAssertNil(settings.set(key, to: value), key) }
    let outcome = try guest.run(.nested, on: MachineDescription(), settings, batch: 1)
    XCTAssertEqual(outcome.divergences, [], "\(keys)")
    return outcome
  }

  /// One page of 2 MiB is watched between two marks: the large page is in parts until the second, and one again after it.
  func testTheLastTraceOfALargePageGone() throws {
    let guest = program {
      $0.read(0x10000)
      $0.append(.mark)
      $0.write(0x11000)
      $0.append(.mark)
      $0.read(0x12000)
    }
    for (fill, fills) in [("lazy", UInt64(2)), ("eager", 0)] {
      let keys = [
        "nested.page": "2M", "trace.frame-buffer": "201000+1000", "trace.when": "marks", "nested.fill": fill,
      ]
      let c = try run(guest, keys).counters
      // The tables' 2 MiB and the data's; the store finds its page in place, but for the right to store.
      XCTAssertEqual(c.hiddenFill, fills)
      XCTAssertEqual([c.nestedSplit, c.nestedCollapsed, c.invepts], [1, 1, 2])
      XCTAssertEqual([c.hiddenTrace, c.traceFaultsFrameBuffer], [1, 1])
    }
  }

  /// A page that copy-on-write has moved to another frame keeps the large page in parts for good.
  func testACopiedPageKeepsTheLargePageInParts() throws {
    let guest = program {
      $0.read(0x10000)
      $0.write(0x11000)
      $0.read(0x12000)
    }
    // The tables' 2 MiB, and two pages of the data's.
    for (fill, fills) in [("lazy", UInt64(3)), ("eager", 0)] {
      let c = try run(guest, ["nested.page": "2M", "trace.cow": "201000+1000", "nested.fill": fill]).counters
      XCTAssertEqual([c.hiddenFill, c.nestedSplit, c.nestedCollapsed, c.invepts], [fills, 0, 0, 1])
      XCTAssertEqual([c.hiddenTrace, c.traceFaultsCopyOnWrite, c.framesCopied], [1, 1, 1])
    }
  }

  /// References of a walk in the large page, before and after: 4 · (3 + 1) + 3, with one nested level more for the page
  /// while it is in parts.
  func testWalksOfTheParts() throws {
    let walk = { (guest: Guest) in
      try self.run(
        guest,
        [
          "nested.page": "2M", "trace.frame-buffer": "201000+1000", "trace.when": "marks", "walk.cache": "none",
          "nested.fill": "eager",
        ]
      )
      .counters.walkReferences
    }
    XCTAssertEqual(try walk(program { $0.read(0x12000) }), 19)
    let during = program {
      $0.append(.mark)
      $0.read(0x12000)
    }
    XCTAssertEqual(try walk(during), 20)
    var after = during
    after.append(.mark)
    after.read(0x12000)
    XCTAssertEqual(try walk(after), 20 + 19)
  }

  /// What is withheld: stores, or everything, of the watched page alone.
  func testWhatIsWithheld() throws {
    for (key, rights) in [
      ("trace.rom", 13), ("trace.frame-buffer", 13), ("trace.device", 0),
    ] as [(String, UInt8)] {
      for format in ["ept", "npt"] {
        var bench = try NestedBench([key: "20000+1000", "nested.page": "2M", "nested.format": format])
        let found = bench.backend.table.leaf(of: PPN(0x20), bench.machine)
        XCTAssertEqual(found?.level, rights == 0 ? nil : 1, "\(key) \(format)")
        let verdict = bench.backend.table.rules.judge(bench.nested(0x20), level: 1)
        if case .leaf(let granted) = verdict {
          XCTAssertEqual(granted.rawValue, rights)
        } else {
          XCTAssertEqual(rights, 0)
        }
        XCTAssertEqual(bench.backend.table.leaf(of: PPN(0x21), bench.machine)?.level, 1)
        XCTAssertEqual(bench.backend.table.leaf(of: PPN(0x200), bench.machine)?.level, 2)
        let write = bench.outcome(.store)
        XCTAssertTrue(write.hasSuffix(" at 20"), "\(key): \(write)")
      }
    }
  }

  /// A guest's table that is watched: the walker's stores of A and D to it, which the hypervisor makes in its place. With A
  /// and D of nested entries each walk through the table is an exit.
  func testAWatchedTable() throws {
    var guest = Guest()
    guest.map(0x10000, to: 0x20_0000)
    guest.map(0x11000, to: 0x20_1000)
    guest.boot()
    for _ in 0..<3 {
      guest.read(0x10000)
      guest.write(0x11000)
    }
    let table = String(guest.entry(0x10000) & ~0xfff, radix: 16)
    for (keys, faults) in [
      (["trace.frame-buffer": table + "+1000"], 2), (["trace.frame-buffer": table + "+1000", "nested.ad": "on"], 6),
      (["trace.frame-buffer": table + "+1000", "nested.format": "npt"], 6), (["trace.device": table + "+1000"], 6),
    ] as [([String: String], UInt64)] {
      let outcome = try run(guest, keys)
      XCTAssertEqual(outcome.counters.hiddenTrace, faults, "\(keys)")
      // Nobody is called for the walker.
      XCTAssertEqual(outcome.counters.traceFaultsFrameBuffer + outcome.counters.traceFaultsDevice, 0)
      XCTAssertEqual((outcome.tables[guest.entry(0x10000)] ?? 0) & 0x60, 0x20)
      XCTAssertEqual((outcome.tables[guest.entry(0x11000)] ?? 0) & 0x60, 0x60)
    }
  }

  /// A leaf that is entered again keeps the A and D that the hardware has set: the dirty log would lose the page.
  func testAFilledLeafKeepsItsBits() throws {
    var bench = try NestedBench(["nested.ad": "on"])
    XCTAssertEqual(bench.outcome(.store), "ok")
    bench.grant(.read, to: 0x20)
    bench.backend.table.fill(PPN(0x20), upTo: .small, &bench.machine)
    XCTAssertEqual(bench.nested(0x20) & 0x307, 0x307)
    XCTAssertEqual(bench.nested(0x21) & 0x307, 7)
  }

  /// One client copies the page on the guest's store, another goes on watching it: the large page's part must show the
  /// new frame from then on.
  func testACopiedPageThatIsStillWatched() throws {
    let guest = program {
      $0.read(0x11000)
      $0.store(7, at: 0x20_1000)
      $0.read(0x11000)
    }
    for fill in ["lazy", "eager"] {
      let keys = ["nested.page": "2M", "trace.cow": "201000+1000", "trace.frame-buffer": "201000+1000"]
      let c = try run(guest, keys.merging(["nested.fill": fill]) { $1 }).counters
      XCTAssertEqual([c.framesCopied, c.traceFaultsCopyOnWrite, c.traceFaultsFrameBuffer], [1, 1, 1])
    }
  }

  /// A table given back is empty when it is taken again for pages elsewhere.
  func testATableTakenAgainIsEmpty() throws {
    var bench = try NestedBench(["nested.page": "2M"])
    XCTAssertTrue(bench.backend.table.isolate(PPN(0x21), &bench.machine))
    XCTAssertTrue(bench.backend.table.join(around: PPN(0x21), upTo: .large, &bench.machine))
    XCTAssertEqual(bench.backend.table.spare.count, 1)
    bench.set(0, for: 0x200, level: 2)
    bench.backend.table.fill(PPN(0x201), upTo: .small, &bench.machine)
    XCTAssertEqual(bench.backend.table.spare.count, 0)
    XCTAssertEqual(bench.backend.table.leaf(of: PPN(0x201), bench.machine)?.level, 1)
    XCTAssertNil(bench.backend.table.leaf(of: PPN(0x202), bench.machine))
  }

  /// A table and its large pages: divided, adjusted, joined, with what the hardware has noted.
  func testDivideAndJoin() throws {
    for (levels, page, size) in [
      ("4", "2M", PageSize.large), ("4", "1G", .huge), ("2", "1G", .huge), ("5", "2M", .large),
    ] {
      var bench = try NestedBench(
        ["nested.levels": levels, "nested.page": page, "nested.ad": "on"], ramPages: 1 << 18)
      XCTAssertEqual(bench.backend.table.leaves(bench.machine).count, size == .huge ? 1 : 512)
      bench.machine.memory.set(
        0x300, at: bench.backend.table.leaf(of: PPN(0x20), bench.machine)?.place ?? MachineAddress(0))
      XCTAssertTrue(bench.backend.table.isolate(PPN(0x21), &bench.machine))
      XCTAssertFalse(bench.backend.table.isolate(PPN(0x21), &bench.machine))
      let splits: UInt64 = levels == "4" && size == .huge ? 2 : 1
      XCTAssertEqual(bench.machine.counters.nestedSplit, splits)
      for page in [0x20, 0x21, 0x1ff] as [UInt64] {
        let leaf = bench.backend.table.leaf(of: PPN(page), bench.machine)
        XCTAssertEqual(leaf?.level, 1)
        let entry = leaf.map { bench.machine.memory.read($0.place) } ?? 0
        XCTAssertEqual(entry & 0xf_ffff_ffff_ffff, bench.machine.physmap.machine(PPN(page)).address.raw | 0x337)
      }
      XCTAssertEqual(bench.outcome(.store), "ok")
      XCTAssertTrue(bench.backend.table.join(around: PPN(0x21), upTo: size, &bench.machine))
      XCTAssertFalse(bench.backend.table.join(around: PPN(0x21), upTo: size, &bench.machine))
      XCTAssertEqual(bench.machine.counters.nestedCollapsed, 1)
      XCTAssertEqual(bench.backend.table.spare.count, Int(splits))
      let leaves = bench.backend.table.leaves(bench.machine)
      XCTAssertEqual(leaves.count, size == .huge ? 1 : 512)
      XCTAssertEqual(leaves[0].entry & 0xfff, 0x3b7)
      XCTAssertNil(bench.backend.violatedInvariant(bench.cpu, &bench.machine))
    }
  }
}
