import Paging
import XCTest

@testable import Machine

/// Memory that moves, and memory that processes share: each store must be found where it is looked for, in every mode
/// (page versions), and cost the faults that it costs in Linux.
final class SharedMemoryTests: XCTestCase {
  private var trace = Guest()

  override func setUp() { trace = Guest() }

  private func run(_ mode: Mode, _ keys: [String] = []) throws -> Outcome {
    var settings = Settings()
    for key in keys {
      let parts = key.split(separator: "=").map(String.init)
      XCTAssertNil(settings.set(parts[0], to: parts[1]), key)
    }
    let outcome = try trace.run(mode, on: .roomy, settings, as: .process)
    XCTAssertEqual(outcome.divergences, [], "\(mode)")
    XCTAssertEqual(outcome.counters.staleHits, 0, "\(mode)")
    return outcome
  }

  private func faults(_ mode: Mode, _ keys: [String] = []) throws -> UInt64 { try run(mode, keys).counters.trueFaults }

  private func add(_ kind: Paging.Operation.Kind, _ address: UInt64, size: UInt16 = 0, _ words: [UInt64] = []) {
    let flags: Paging.Operation.Flags = kind == .map && words.count == 3 ? .hasPayload : []
    trace.append(Paging.Operation(kind, address, size: size, flags: flags), words)
  }

  // MARK: Moves

  func testMovedPagesKeepWhatTheyHold() throws {
    trace.write(0x1_0000)
    trace.write(0x1_1000)
    add(.remap, 0x1_0000, [0x3000, 0x4000_0000, 0x4000])
    trace.read(0x4000_0000)
    trace.write(0x4000_1000)
    // The third page was never touched, the fourth is new; the old place is gone.
    trace.write(0x4000_2000)
    trace.write(0x4000_3000)
    trace.read(0x1_0000)
    for mode in Mode.allCases {
      let counters = try run(mode).counters
      XCTAssertEqual([counters.trueFaults, counters.guestSignals, counters.guestPagesMoved], [5, 1, 2], "\(mode)")
      XCTAssertEqual(counters.guestTablePages, 5, "\(mode): the tables of the old place are free")
    }
  }

  func testGrowingAndShrinkingInPlace() throws {
    add(.map, 0x1_0000, size: 6, [0x2000])
    trace.write(0x1_1000)
    add(.remap, 0x1_0000, [0x2000, 0x1_0000, 0x4000])
    trace.write(0x1_3000)
    trace.read(0x1_1000)
    add(.remap, 0x1_0000, [0x4000, 0x1_0000, 0x1000])
    trace.read(0x1_1000)
    for mode in Mode.allCases {
      let counters = try run(mode, ["guest.maps=explicit"]).counters
      XCTAssertEqual([counters.trueFaults, counters.guestSignals, counters.guestPagesMoved], [3, 1, 0], "\(mode)")
    }
  }

  func testALargePageMovesWholeOrInPieces() throws {
    for (target, splits, moved) in [(UInt64(0x4020_0000), UInt64(0), UInt64(1)), (0x4020_1000, 1, 512)] {
      setUp()
      add(.ram, 16 << 20)
      trace.write(0x20_0000)
      add(.remap, 0x20_0000, [0x20_0000, target, 0x20_0000])
      trace.read(target)
      trace.read(target + 0x1f_f000)
      for mode in Mode.allCases {
        let counters = try run(mode, ["guest.large-pages=on"]).counters
        XCTAssertEqual(
          [counters.guestLargePageSplits, counters.guestPagesMoved, counters.trueFaults], [splits, moved, 1], "\(mode)")
      }
    }
  }

  /// What is in the swap area, and what nobody may access, moves too.
  func testWhatIsNotPresentMoves() throws {
    add(.ram, 16 << 12)
    for page in UInt64(0x10)...0x16 { trace.write(page << 12) }
    add(.protect, 0x1_6000, size: 0, [0x1000])
    add(.remap, 0x1_0000, [0x7000, 0x1_8000, 0x7000])
    add(.protect, 0x1_e000, size: 6, [0x1000])
    for page in UInt64(0x18)...0x1e { trace.read(page << 12) }
    for mode in Mode.allCases {
      XCTAssertGreaterThan(try run(mode, ["guest.reclaim=1"]).counters.guestMajorFaults, 0, "\(mode)")
    }
  }

  // MARK: Shared

  func testParentAndChildShareAnonymousMemory() throws {
    add(.map, 0x1_0000, size: 6 | 16, [0x2000])
    trace.write(0x1_0000)
    add(.fork, 1, [2])
    add(.switchProcess, 2)
    // The page is there, and mapped by a fault; a store needs no other.
    trace.read(0x1_0000)
    trace.write(0x1_0000)
    add(.switchProcess, 1)
    trace.read(0x1_0000)
    trace.write(0x1_0000)
    add(.switchProcess, 2)
    trace.read(0x1_0000)
    for mode in Mode.allCases {
      let counters = try run(mode).counters
      XCTAssertEqual([counters.trueFaults, counters.guestCopies, counters.guestDemandPages], [2, 0, 1], "\(mode)")
    }
  }

  /// A file's page is read-only until a store of the process has been seen; what is stored is the file's from then on.
  func testProcessesShareAFile() throws {
    add(.map, 0x1_0000, size: 6 | 8 | 16, [0x2000, 7, 0x3000])
    trace.read(0x1_0000)
    trace.write(0x1_0000)
    trace.write(0x1_1000)
    add(.switchProcess, 2)
    add(.map, 0x50_0000, size: 6 | 8, [0x2000, 7, 0x3000])
    trace.read(0x50_0000)
    trace.read(0x50_1000)
    add(.switchProcess, 1)
    trace.write(0x1_0000)
    add(.switchProcess, 2)
    trace.read(0x50_0000)
    // A private copy from here on.
    trace.write(0x50_0000)
    add(.switchProcess, 1)
    trace.write(0x1_0000)
    add(.switchProcess, 2)
    trace.read(0x50_0000)
    for mode in Mode.allCases {
      let counters = try run(mode).counters
      XCTAssertEqual([counters.trueFaults, counters.guestCopies], [5, 1], "\(mode)")
      XCTAssertEqual(try faults(mode, ["guest.fault-around=off"]), 6, "\(mode)")
    }
  }

  func testSharedPagesKeepWhatIsStoredWhenMemoryIsShort() throws {
    for (letters, words) in [(UInt16(6 | 16), [UInt64(0x1000)]), (6 | 8 | 16, [0x1000, 1, 0])] {
      setUp()
      add(.ram, 16 << 12)
      add(.map, 0x10_0000, size: letters, words)
      trace.write(0x10_0000)
      for page in UInt64(0x10)...0x18 { trace.write(page << 12) }
      trace.read(0x10_0000)
      let isFile = letters & 8 != 0
      for mode in Mode.allCases {
        let counters = try run(mode, ["guest.reclaim=1"]).counters
        XCTAssertEqual(counters.guestMajorFaults, 1, "\(mode)")
        XCTAssertEqual(counters.guestPagesWrittenBack, isFile ? 1 : 0, "\(mode)")
        XCTAssertEqual(counters.guestPagesSwappedIn, isFile ? 0 : 1, "\(mode)")
      }
    }
  }

  /// A page that was stored to and unmapped is dirty all the same.
  func testAStoreIsWrittenBackAfterTheUnmapping() throws {
    add(.ram, 18 << 12)
    add(.map, 0x10_0000, size: 6 | 8 | 16, [0x1000, 1, 0])
    trace.write(0x10_0000)
    add(.unmap, 0x10_0000, [0x1000])
    for page in UInt64(0x10)...0x1a { trace.write(page << 12) }
    add(.map, 0x10_0000, size: 4 | 8, [0x1000, 1, 0])
    trace.read(0x10_0000)
    for mode in Mode.allCases {
      XCTAssertEqual(try run(mode, ["guest.reclaim=1"]).counters.guestPagesWrittenBack, 1, "\(mode)")
    }
  }

  /// Its pages are free for others.
  func testSharedMemoryThatNobodyHasIsGone() throws {
    add(.ram, 16 << 12)
    for _ in 0..<20 {
      add(.map, 0x10_0000, size: 6 | 16, [0x2000])
      trace.write(0x10_0000)
      trace.write(0x10_1000)
      add(.unmap, 0x10_0000, [0x2000])
    }
    for mode in Mode.allCases { XCTAssertEqual(try run(mode).counters.guestPagesReclaimed, 0, "\(mode)") }
    add(.map, 0x10_0000, size: 6 | 16, [0x1000])
    trace.write(0x10_0000)
    add(.fork, 1, [2])
    add(.exit, 1)
    add(.switchProcess, 2)
    trace.read(0x10_0000)
    for mode in Mode.allCases { XCTAssertEqual(try run(mode).counters.guestSignals, 0, "\(mode)") }
  }

  /// Linux, `can_change_pte_writable`.
  func testASharedPageThatMayBeStoredToAgain() throws {
    for (letters, again) in [(UInt16(6 | 16), UInt64(0)), (6 | 8 | 16, 1)] {
      setUp()
      add(.map, 0x10_0000, size: letters, [0x2000])
      trace.write(0x10_0000)
      trace.read(0x10_1000)
      add(.protect, 0x10_0000, size: 4, [0x2000])
      add(.protect, 0x10_0000, size: 6, [0x2000])
      trace.write(0x10_0000)
      trace.write(0x10_1000)
      for mode in Mode.allCases { XCTAssertEqual(try faults(mode), 2 + again, "\(mode) \(letters)") }
    }
  }

  // MARK: What cannot be carried out

  func testWhatCannotBeMappedOrMoved() {
    let message = {
      do {
        _ = try self.run(.native)
        return "none"
      } catch { return (error as? ReplayError)?.message ?? "\(error)" }
    }
    add(.map, 0x1000, size: 4, [0x1000, 1, 0])
    XCTAssertEqual(
      message(), "file 1 at 0, expected the letter f, a number below 67108863 and an offset below 2^47")
    setUp()
    add(.map, 0x1000, size: 12, [0x1000, 1 << 26, 0])
    XCTAssertTrue(message().hasPrefix("file 67108864 at 0"))
    setUp()
    add(.remap, 0x1000, [0x3000, 0x2000, 0x3000])
    XCTAssertEqual(
      message(), "remap of pages to where some of them are, expected two ranges that do not overlap")
    setUp()
    add(.remap, 0x1000, [0, 0x2000, 0x3000])
    XCTAssertEqual(message(), "a range of 0 bytes at 1000, expected it below 2^47")
  }
}
