import Paging
import XCTest

@testable import Machine

/// What the modelled kernel does, one thing at a time, in exact counts.
final class KernelTests: XCTestCase {
  private var trace = Guest()

  override func setUp() { trace = Guest() }

  private func run(
    _ mode: Mode = .native, _ keys: [String] = [], on machine: MachineDescription = .roomy
  ) throws -> Outcome {
    var settings = Settings()
    for key in keys {
      let parts = key.split(separator: "=").map(String.init)
      XCTAssertNil(settings.set(parts[0], to: parts[1]), key)
    }
    let outcome = try trace.run(mode, on: machine, settings, as: .process)
    XCTAssertEqual(outcome.divergences, [], "\(mode)")
    return outcome
  }

  private func add(_ kind: Paging.Operation.Kind, _ address: UInt64, size: UInt16 = 0, _ words: [UInt64] = []) {
    trace.append(Paging.Operation(kind, address, size: size), words)
  }

  func testPCIDsKeepTranslationsOverSwitches() throws {
    for process in [UInt64(1), 2, 1, 2] {
      add(.switchProcess, process)
      trace.write(0x1_0000)
    }
    for mode in Mode.allCases {
      XCTAssertEqual(try run(mode).counters.tlbMisses, 4, "\(mode)")
      // The emulated TLB has one table a CPU.
      // Under direct paging Xen flushes everything after a change of an upper table: process 1's, made before.
      let misses = try run(mode, ["guest.pcid=on"]).counters.tlbMisses
      XCTAssertEqual(misses, mode == .emulatedTLB ? 4 : mode == .direct ? 3 : 2, "\(mode)")
    }
  }

  func testMissesOfTheFirstLevelByKind() throws {
    for page in UInt64(1)...3 { trace.fetch(page << 12) }
    for page in UInt64(1)...5 { trace.read(page << 12) }
    trace.read(0x1000)
    for mode in Mode.allCases {
      let counters = try run(mode).counters
      XCTAssertEqual([counters.l1FetchMisses, counters.l1DataMisses, counters.tlbMisses], [3, 5, 5], "\(mode)")
    }
  }

  func testAnAddressSpaceThatHasLostARightIsFlushedWhenItRunsAgain() throws {
    trace.write(0x1_0000)
    add(.switchProcess, 7)
    add(.fork, 1, [2])
    add(.switchProcess, 1)
    trace.write(0x1_0000)
    for mode in Mode.allCases {
      let counters = try run(mode, ["guest.pcid=on"]).counters
      XCTAssertEqual(counters.guestCopies, 1, "\(mode)")
      XCTAssertEqual(counters.staleHits, 0, "\(mode)")
    }
  }

  func testTheClockSparesWhatHasBeenAccessed() throws {
    add(.ram, 16 << 12)
    // Four pages until the first reclaim, which clears A of all, and takes the first.
    for page in UInt64(0x10)...0x14 { trace.write(page << 12) }
    let before = trace
    // 11 and 12 come next; 11 is accessed.
    trace.read(0x1_1000)
    trace.write(0x1_5000)
    trace.read(0x1_1000)
    XCTAssertEqual(try run(.native, ["guest.reclaim=1"]).counters.guestMajorFaults, 0)
    trace = before
    trace.write(0x1_5000)
    trace.read(0x1_1000)
    XCTAssertEqual(try run(.native, ["guest.reclaim=1"]).counters.guestMajorFaults, 1)
  }

  func testAPageOfAFileThatWasDroppedIsReadFromDisk() throws {
    add(.ram, 16 << 12)
    add(.map, 0x10_0000, size: 8 | 4, [0x1000])
    trace.read(0x10_0000)
    for page in UInt64(0x10)...0x18 { trace.write(page << 12) }
    trace.read(0x10_0000)
    let counters = try run(.native, ["guest.reclaim=1"]).counters
    XCTAssertEqual(counters.guestMajorFaults, 1)
    XCTAssertEqual(counters.guestPagesSwappedIn, 0)
  }

  func testUnmappingFreesTheTablesThatItEmpties() throws {
    trace.write(0x1_0000)
    trace.write(0x4000_0000)
    XCTAssertEqual(try run().counters.guestTablePages, 7, "two roots, a level 3, two each of levels 2 and 1")
    add(.unmap, 0x4000_0000, [0x1000])
    for mode in Mode.allCases { XCTAssertEqual(try run(mode).counters.guestTablePages, 5, "\(mode)") }
    add(.discard, 0x1_0000, [0x1000])
    XCTAssertEqual(try run().counters.guestTablePages, 5, "a discarded page leaves its table")
    add(.exit, 1)
    for mode in Mode.allCases { XCTAssertEqual(try run(mode).counters.guestTablePages, 1, "\(mode)") }
  }

  func testManyPagesAreFlushedByALoadOfCR3() throws {
    for page in UInt64(0x10)..<0x14 { trace.write(page << 12) }
    add(.unmap, 0x1_0000, [0x4000])
    let few = try run(.native, ["guest.flush-ceiling=4"]).counters
    XCTAssertEqual([few.guestInvlpgs, few.guestCR3Loads], [4, 0])
    let many = try run(.native, ["guest.flush-ceiling=3"]).counters
    XCTAssertEqual([many.guestInvlpgs, many.guestCR3Loads], [0, 1])
  }

  /// A page cleared and its entry: 512 + 1 stores; the walk for it reads four entries on the way down each time.
  func testTheKernelsOwnAccessesGoThroughTheDirectMap() throws {
    let start = {
      self.trace = Guest()
      self.add(.ram, 16 << 20)
      self.trace.write(0x1_0000)
    }
    start()
    trace.write(0x1_1000)
    let none = try run().counters
    XCTAssertEqual([none.stores, none.loads, none.tlbMisses], [2, 0, 2])
    for size in ["4K", "2M", "1G"] {
      for mode in Mode.allCases where mode != .direct {
        let key = "guest.direct-map=\(size)"
        start()
        let first = try run(mode, [key]).counters
        trace.write(0x1_1000)
        let second = try run(mode, [key]).counters
        XCTAssertEqual(second.stores - first.stores, 1 + 512 + 1, "\(mode) \(size)")
        XCTAssertEqual(second.loads - first.loads, 4, "\(mode) \(size)")
      }
    }
  }

  /// Linux under Xen unpins the tables of a process that ends before it empties them; others see each store.
  func testExitUnderDirectPagingAsksForNothing() throws {
    trace.write(0x1_0000)
    trace.write(0x1_1000)
    let before = try run(.direct).counters
    let nativeBefore = try run().counters
    add(.exit, 1)
    let after = try run(.direct).counters
    XCTAssertEqual(after.mmuUpdates, before.mmuUpdates)
    XCTAssertEqual(after.hypercalls - before.hypercalls, 2, "the kernel's base table, and one unpinned")
    XCTAssertEqual(try run().counters.guestTableStores - nativeBefore.guestTableStores, 5, "2 pages, 3 links")
  }

  /// Nine tables must be copied with five frames free.
  func testAForkMakesRoomForItsTables() throws {
    add(.ram, 24 << 12)
    for page in [UInt64(0x4_0000), 0x7_ffff_ff00] + Array(0x10...0x16) { trace.write(page << 12) }
    add(.fork, 1, [2])
    for mode in Mode.allCases {
      let counters = try run(mode, ["guest.reclaim=1"]).counters
      XCTAssertEqual(counters.guestForks, 1, "\(mode)")
      XCTAssertGreaterThan(counters.guestPagesSwappedOut, 4, "\(mode)")
    }
  }

  /// Linux, `copy_present_pte`.
  func testTheChildOfAForkHasAccessedNothing() throws {
    trace.write(0x1_0000)
    add(.fork, 1, [2])
    for mode in Mode.allCases {
      // Only the two leaves are read-only.
      let leaves = try run(mode).tables.values.filter { $0 & 7 == 5 }
      XCTAssertEqual(leaves.map { $0 & 0x20 }.sorted(), [0, 0x20], "\(mode)")
    }
  }

  func testALargePageThatIsSharedIsSplitByAStore() throws {
    add(.ram, 16 << 20)
    trace.write(0x20_0000)
    add(.fork, 1, [2])
    trace.write(0x20_3000)
    for mode in Mode.allCases {
      let counters = try run(mode, ["guest.large-pages=on"]).counters
      XCTAssertEqual(
        [counters.guestLargePageSplits, counters.guestCopies, counters.guestCopyReuses], [1, 1, 0], "\(mode)")
    }
    trace = Guest()
    add(.ram, 16 << 20)
    trace.write(0x20_0000)
    add(.fork, 1, [2])
    add(.exit, 2)
    trace.write(0x20_3000)
    for mode in Mode.allCases {
      let counters = try run(mode, ["guest.large-pages=on"]).counters
      XCTAssertEqual(
        [counters.guestLargePageSplits, counters.guestCopies, counters.guestCopyReuses], [0, 0, 1], "\(mode)")
    }
  }

  func testALargePageNeedsAFreeBlock() throws {
    add(.ram, 3 << 20)
    trace.write(0x1234_5000)
    XCTAssertEqual(try run(.native, ["guest.large-pages=on"]).counters.guestLargePages, 0)
    trace = Guest()
    add(.ram, 6 << 20)
    trace.write(0x1234_5000)
    trace.read(0x1220_0000)
    let counters = try run(.native, ["guest.large-pages=on"]).counters
    XCTAssertEqual([counters.guestLargePages, counters.trueFaults], [1, 1])
  }

  // MARK: What cannot be carried out

  private func message(_ keys: [String] = []) -> String {
    do {
      _ = try run(.native, keys)
      return "none"
    } catch { return (error as? ReplayError)?.message ?? "\(error)" }
  }

  func testWhatATraceOfProcessesCannotHaveIsNamed() {
    trace.cr3(0x1000)
    XCTAssertEqual(message(), "'cr3' in a process trace, whose kernel is modelled")
    trace = Guest()
    add(.fork, 3, [4])
    XCTAssertEqual(message(), "process 3, which does not exist")
    trace = Guest()
    add(.fork, 1, [1])
    XCTAssertEqual(message(), "fork of process 1, which exists already")
    trace = Guest()
    add(.exit, 1)
    trace.read(0x1000)
    XCTAssertEqual(message(), "an access by a process that has exited")
    trace = Guest()
    add(.unmap, 0x7fff_ffff_f000, [0x2000])
    XCTAssertEqual(message(), "a range of 8192 bytes at 7ffffffff000, expected it below 2^47")
    trace = Guest()
    add(.ram, 12 << 12)
    for page in UInt64(1)..<20 { trace.write(page << 12) }
    XCTAssertEqual(
      message(["guest.swap=0"]), "out of memory: none of 12 page frames is free or can be reclaimed")
  }

  func testProcessOperationsAreForProcessTraces() {
    trace.boot()
    add(.unmap, 0x1000, [0x1000])
    XCTAssertThrowsError(try trace.run(.native)) {
      XCTAssertEqual(($0 as? ReplayError)?.message, "'unmap', which is for process traces")
    }
  }
}
