import Paging
import XCTest

@testable import Machine

/// Xen's frame types and reference counts (xen/arch/x86/mm.c), one rule a test.
final class FrameTableTests: XCTestCase {
  /// A domain with its frame table: pages by physical number, tables in machine terms.
  private struct Domain: ~Copyable {
    var frames = FrameTable()
    var machine: MachineState
    var cpu: VirtualCPU

    init() {
      machine = MachineState(Configuration(mode: .direct, machine: .roomy, guest: .scenario))
      machine.ramPages = 0x1000
      cpu = VirtualCPU(index: 0, machine)
    }

    mutating func frame(_ page: UInt64) -> MPN { machine.physmap.machine(PPN(page)) }
    mutating func entry(_ page: UInt64, _ flags: EntryFlags) -> UInt64 { frame(page).address.raw | flags.rawValue }
    mutating func place(_ page: UInt64, _ index: UInt64) -> MachineAddress {
      MachineAddress(frame(page).address.raw + index * 8)
    }
    mutating func write(_ page: UInt64, _ index: UInt64, _ value: UInt64) {
      machine.memory.write(place(page, index), value)
    }
    /// 0, or the negative error number.
    mutating func update(_ page: UInt64, _ index: UInt64, _ value: UInt64) -> Int {
      let place = place(page, index)
      do throws(XenError) {
        if try frames.update(place, value, for: .guest, &cpu, &machine) { machine.flushAllCPUs(&cpu) }
      } catch {
        return -error.rawValue
      }
      return 0
    }
    mutating func pin(_ page: UInt64, level: Int) -> Int {
      let frame = frame(page)
      do throws(XenError) {
        try frames.pin(frame, level: level, for: .guest, &cpu, &machine)
      } catch {
        return -error.rawValue
      }
      return 0
    }
    mutating func unpin(_ page: UInt64) -> Int {
      let frame = frame(page)
      do throws(XenError) { try frames.unpin(frame, for: .guest, &machine) } catch { return -error.rawValue }
      return 0
    }
    /// Type, type count, total count.
    mutating func state(_ page: UInt64) -> [Int] {
      let state = frames[frame(page)]
      return [Int(state.kind.rawValue), Int(state.typeCount), Int(state.totalCount)]
    }
  }

  private let writable = Int(Frame.Kind.writable.rawValue)

  /// Pages 1, 2, 3, 4 as tables of these levels, page 10 mapped RW and page 11 RO.
  private func tree() -> Domain {
    var domain = Domain()
    domain.write(4, 0, domain.entry(3, .readWriteUser))
    domain.write(3, 0, domain.entry(2, .readWriteUser))
    domain.write(2, 0, domain.entry(1, .readWriteUser))
    domain.write(1, 0, domain.entry(10, .readWriteUser))
    domain.write(1, 1, domain.entry(11, .readUser))
    return domain
  }

  func testPinValidatesTheWholeTree() {
    var domain = tree()
    XCTAssertEqual(domain.pin(4, level: 4), 0)
    // The pin holds the top; each entry above holds a type and a general reference below.
    for level in 1...4 { XCTAssertEqual(domain.state(UInt64(level)), [level, 1, 1]) }
    XCTAssertEqual(domain.state(10), [writable, 1, 1])
    // A read-only mapping takes a general reference alone.
    XCTAssertEqual(domain.state(11), [0, 0, 1])
    XCTAssertEqual(domain.pin(4, level: 4), -22, "already pinned")
    XCTAssertEqual(domain.unpin(4), 0)
    for level in 1...4 { XCTAssertEqual(domain.state(UInt64(level)), [level, 0, 0], "the type stays") }
    XCTAssertEqual(domain.state(10), [writable, 0, 0])
    XCTAssertEqual(domain.state(11), [0, 0, 0])
    XCTAssertEqual(domain.unpin(4), -22, "not pinned")
  }

  /// 7.5 case 14: a writable mapping of a table anywhere in the tree fails the pin, and every count is as before.
  func testFailedValidationIsUndone() {
    for victim in [1, 2, 3] as [UInt64] {
      var domain = tree()
      domain.write(1, 7, domain.entry(victim, .readWriteUser))
      XCTAssertNotEqual(domain.pin(4, level: 4), 0)
      for page in [1, 2, 3, 4, 10, 11] as [UInt64] {
        XCTAssertEqual(Array(domain.state(page)[1...]), [0, 0], "page \(page)")
      }
      // Without the bad entry it goes.
      domain.write(1, 7, 0)
      XCTAssertEqual(domain.pin(4, level: 4), 0)
    }
  }

  /// 7.5 case 13: RW before the pin: -EINVAL for the pin; after it: -EBUSY for the mapping; after unpinning: 0.
  func testPageIsATableOrWritableNeverBoth() {
    var domain = tree()
    XCTAssertEqual(domain.pin(4, level: 4), 0)
    XCTAssertEqual(domain.update(1, 5, domain.entry(20, .readWriteUser)), 0)
    XCTAssertEqual(domain.pin(20, level: 1), -22)
    XCTAssertEqual(domain.update(1, 5, 0), 0)
    XCTAssertEqual(domain.pin(20, level: 1), 0)
    XCTAssertEqual(domain.update(1, 5, domain.entry(20, .readWriteUser)), -16)
    XCTAssertEqual(domain.update(1, 5, domain.entry(20, .readUser)), 0, "read-only is allowed")
    XCTAssertEqual(domain.state(20), [1, 1, 2])
    // RO to RW re-validates: RW is not a harmless bit.
    XCTAssertEqual(domain.update(1, 5, domain.entry(20, .readWriteUser)), -16)
    XCTAssertEqual(domain.unpin(20), 0)
    XCTAssertEqual(domain.update(1, 5, domain.entry(20, .readWriteUser)), 0)
    XCTAssertEqual(domain.state(20), [writable, 1, 1])
  }

  /// 7.3, XSA-148: PS in an existing level-2 entry, which differs in no other bit, is refused; the entry stays.
  func testForbiddenFlagsAreRefusedBeforeTheFastPath() {
    var domain = tree()
    XCTAssertEqual(domain.pin(4, level: 4), 0)
    for (page, bits) in [(2, [7, 8, 3, 4]), (3, [7, 8, 3, 4]), (4, [7, 8, 3, 4])] as [(UInt64, [UInt64])] {
      let old = domain.machine.memory.read(domain.place(page, 0))
      for bit in bits {
        XCTAssertEqual(domain.update(page, 0, old | 1 << bit), -22, "level \(page), bit \(bit)")
        XCTAssertEqual(domain.machine.memory.read(domain.place(page, 0)), old)
      }
      // What only flags change that no reference depends on passes: US, A, D, 9…11, NX.
      for bit in [2, 5, 6, 9, 10, 11, 52, 62, 63] as [UInt64] {
        XCTAssertEqual(domain.update(page, 0, old ^ 1 << bit), 0, "level \(page), bit \(bit)")
      }
      XCTAssertEqual(domain.update(page, 0, old), 0)
    }
    // Level 1 also takes G, and PWT, PCD and PAT since the domain has I/O rights.
    let old = domain.machine.memory.read(domain.place(1, 0))
    for bit in [3, 4, 7, 8] as [UInt64] { XCTAssertEqual(domain.update(1, 0, old | 1 << bit), 0, "bit \(bit)") }
    for level in 1...4 { XCTAssertEqual(domain.state(UInt64(level)), [level, 1, 1]) }
    XCTAssertEqual(domain.state(10), [writable, 1, 1])
  }

  /// XSA-182, 185, 240: recursive entries are not built in; even read-only ones are refused, counts as before.
  func testRecursiveEntriesAreRefused() {
    var domain = tree()
    XCTAssertEqual(domain.pin(4, level: 4), 0)
    for page in [2, 3, 4] as [UInt64] {
      XCTAssertEqual(domain.update(page, 9, domain.entry(page, .readUser)), -22)
      XCTAssertEqual(domain.update(page, 9, domain.entry(page, .readWriteUser)), -22)
      XCTAssertEqual(domain.state(page), [Int(page), 1, 1])
    }
  }

  func testUpdatesReplaceReferences() {
    var domain = tree()
    XCTAssertEqual(domain.pin(4, level: 4), 0)
    XCTAssertEqual(domain.update(1, 0, domain.entry(11, .readWriteUser)), 0)
    XCTAssertEqual(domain.state(10), [writable, 0, 0])
    XCTAssertEqual(domain.state(11), [writable, 1, 2])
    // A second level-1 table: its own entries count from its validation on; unlinked, it lets go of them.
    domain.write(30, 0, domain.entry(10, .readWriteUser))
    XCTAssertEqual(domain.state(10), [writable, 0, 0])
    XCTAssertEqual(domain.update(2, 1, domain.entry(30, .readWriteUser)), 0)
    XCTAssertEqual(domain.state(10), [writable, 1, 1])
    XCTAssertEqual(domain.update(2, 2, domain.entry(30, .readWriteUser)), 0)
    XCTAssertEqual(domain.state(30), [1, 2, 2])
    XCTAssertEqual(domain.state(10), [writable, 1, 1], "validated once")
    XCTAssertEqual(domain.update(2, 1, 0), 0)
    XCTAssertEqual(domain.update(2, 2, 0), 0)
    XCTAssertEqual(domain.state(30), [1, 0, 0])
    XCTAssertEqual(domain.state(10), [writable, 0, 0])
  }

  /// Frames of others: -EBUSY at level 1, -EINVAL above; device frames are allowed at level 1 without references.
  func testForeignFrames() {
    var domain = tree()
    XCTAssertEqual(domain.pin(4, level: 4), 0)
    let hypervisor = domain.machine.physmap.allocateFrame().address.raw
    XCTAssertEqual(domain.update(1, 3, hypervisor | 5), -16)
    XCTAssertEqual(domain.update(2, 3, hypervisor | 7), -22)
    let device = domain.entry(0x2000, .readWriteUser)
    XCTAssertEqual(domain.update(1, 3, device), 0)
    XCTAssertEqual(domain.update(2, 3, device), -22)
    XCTAssertEqual(domain.state(0x2000), [0, 0, 0])
    // An update of a page that is no table is a plain store; of another's page it is refused.
    XCTAssertEqual(domain.update(40, 3, 0x1234), 0)
    XCTAssertEqual(domain.machine.memory.read(domain.place(40, 3)), 0x1234)
    let place = MachineAddress(hypervisor)
    XCTAssertThrowsError(_ = try domain.frames.update(place, 0, for: .guest, &domain.cpu, &domain.machine))
  }

  /// XSA-241, 401: a frame gets another type only after a flush since its last use as the old one.
  func testChangeOfTypeFlushes() {
    var domain = tree()
    XCTAssertEqual(domain.pin(4, level: 4), 0)
    XCTAssertEqual(domain.update(1, 0, 0), 0)
    let before = domain.machine.flushClock
    XCTAssertEqual(domain.pin(10, level: 1), 0)
    XCTAssertEqual(domain.machine.flushClock, before + 1, "writable to l1")
    XCTAssertEqual(domain.unpin(10), 0)
    XCTAssertEqual(domain.pin(10, level: 1), 0)
    XCTAssertEqual(domain.machine.flushClock, before + 1, "the same type again")
    XCTAssertEqual(domain.unpin(10), 0)
    domain.machine.flushAllCPUs(&domain.cpu)
    XCTAssertEqual(domain.pin(10, level: 2), 0)
    XCTAssertEqual(domain.machine.flushClock, before + 2, "flushed since: no need")
    // A change above level 1 flushes every CPU in any case.
    XCTAssertEqual(domain.update(2, 8, 0), 0)
    XCTAssertEqual(domain.machine.flushClock, before + 3)
  }
}
