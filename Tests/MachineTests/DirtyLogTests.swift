import Paging
import XCTest

@testable import Machine

/// Dirty logging, round by round, with what each method costs.
final class DirtyLogTests: XCTestCase {
  let clean: EntryFlags = [.present, .writable, .user, .accessed, .dirty]

  /// Tables at pages 100 (top) to 103, in which A is clear but in the leaves; data at 200 and 201. The first access is
  /// operation 6, rounds end before operations 8, 16, 24 and 32.
  var program: Guest {
    var guest = Guest()
    guest.append(.ram, 8 << 20)
    for page in 0..<UInt64(4) { guest.map(0x10000 + page << 12, to: 0x20_0000 + page << 12, clean) }
    guest.boot()
    guest.read(0x10000)
    guest.write(0x11000)
    // Round 2: the page again, another, and a load of a third.
    guest.write(0x11000)
    guest.write(0x11ff8, size: 16)
    guest.read(0x13000)
    while guest.next < 24 { guest.read(0x10000) }
    // Round 4, after one without a store.
    guest.write(0x10000, user: false)
    return guest
  }

  func run(
    _ guest: Guest, _ mode: Mode, _ keys: [String: String], on machine: MachineDescription = MachineDescription()
  ) throws -> Outcome {
    var settings = Settings()
    for (key, value) in keys { XCTAssertNil(settings.set(key, to: value), key) }
    let outcome = try guest.run(mode, on: machine, settings)
    XCTAssertEqual(outcome.divergences, [], "\(mode) \(keys)")
    return outcome
  }

  func log(_ method: String, _ more: [String: String] = [:]) -> [String: String] {
    ["dirty-log.method": method, "dirty-log.interval": "8"].merging(more) { $1 }
  }

  /// Without A and D of nested entries: what was stored to, and the tables whose A was set.
  func testWriteProtectionFindsWhatWasWritten() throws {
    let expected: [[UInt64]] = [[0x100, 0x101, 0x102, 0x201], [0x201, 0x202], [], [0x200]]
    for (mode, exits) in [(Mode.nested, 7), (.shadow, 4), (.emulatedTLB, 4)] as [(Mode, UInt64)] {
      for machine in [MachineDescription(), .roomy, .tight] {
        let outcome = try run(program, mode, log("write-protect"), on: machine)
        XCTAssertEqual(outcome.rounds.map(\.pages), expected, "\(mode) \(machine.name)")
        let c = outcome.counters
        XCTAssertEqual([c.dirtyLogRounds, c.dirtyLogPages, c.dirtyLogPagesPeak], [4, 7, 4])
        // The walker's three stores to tables are exits in nested paging; the shadow's hypervisor makes them itself.
        XCTAssertEqual(c.dirtyLogExits, exits, "\(mode) \(machine.name)")
        XCTAssertEqual(c.traceFaultsDirtyLog, exits)
        XCTAssertEqual(c.hiddenTrace, exits)
        XCTAssertEqual(c.invepts, mode == .nested ? 3 : 0, "a round without a page needs none")
        XCTAssertEqual(c.exitOther, 4, "a harvest is an exit")
        XCTAssertEqual(c.dirtyLogExamined, mode == .nested ? 7 : 4, "pages to protect again")
      }
    }
  }

  /// With them: also each page that a walk used as a table, and so the same by all methods.
  func testAllMethodsFindTheSame() throws {
    let tables: [UInt64] = [0x100, 0x101, 0x102, 0x103]
    let bare: [[UInt64]] = [tables + [0x201], tables + [0x201, 0x202], tables, tables + [0x200]]
    for format in ["ept", "npt"] {
      for (method, exits) in [("write-protect", 20), ("d-bit", 0), ("pml", 0)] as [(String, UInt64)] {
        if method == "pml" && format == "npt" { continue }
        let keys = log(method, ["nested.ad": "on", "nested.format": format])
        let outcome = try run(program, .nested, keys)
        XCTAssertEqual(outcome.rounds.map(\.pages), bare, "\(format) \(method)")
        XCTAssertEqual(outcome.counters.dirtyLogExits, exits, "\(format) \(method)")
        XCTAssertEqual(outcome.counters.invepts, 4)
        // The first round of D bits looks at the five pages that are mapped and a sixth for 201; then come 202 and 203.
        let examined: [String: UInt64] = ["write-protect": 20, "pml": 20, "d-bit": 6 + 8 + 8 + 8]
        XCTAssertEqual(outcome.counters.dirtyLogExamined, examined[method], method)
      }
    }
  }

  /// Its entries go down from 511; the exit comes before the 513th.
  func testTheModificationLogHas512Entries() throws {
    var memory = MachineMemory()
    var entries = ModificationLog(frame: MPN(9))
    for page in 0..<UInt64(512) {
      XCTAssertFalse(entries.isFull)
      entries.append(PPN(0x100 + page), &memory)
    }
    XCTAssertTrue(entries.isFull)
    XCTAssertEqual(memory.read(MachineAddress(0x9ff8)), 0x10_0000)
    XCTAssertEqual(memory.read(MachineAddress(0x9000)), 0x2f_f000)
    XCTAssertEqual(entries.take(memory), (0..<512).map { PPN(0x100 + $0) })
    XCTAssertFalse(entries.isFull)
    entries.append(PPN(1), &memory)
    XCTAssertEqual(entries.take(memory), [PPN(1)], "the rest are old")
    // Four tables are logged besides.
    for (pages, full) in [(508, 0), (509, 1)] as [(UInt64, UInt64)] {
      var guest = Guest()
      for page in 0..<pages { guest.map(0x20_0000 + page << 12, to: 0x40_0000 + page << 12, clean) }
      guest.boot()
      for page in 0..<pages { guest.write(0x20_0000 + page << 12) }
      for vpid in ["on", "off"] {
        let keys = log("pml", ["nested.ad": "on", "nested.vpid": vpid, "dirty-log.interval": "100000"])
        let c = try run(guest, .nested, keys, on: .roomy).counters
        XCTAssertEqual([c.modificationLogFull, c.dirtyLogExits, c.dirtyLogPages], [full, full, pages + 4])
        XCTAssertEqual(c.exitOther, full + 1)
        XCTAssertEqual(c.dirtyLogExamined, pages + 4)
      }
    }
  }

  /// A log of its own for each virtual CPU; one INVEPT for each that has run since.
  func testEachCPUHasItsOwnLog() throws {
    var guest = Guest()
    for page in 0..<UInt64(3) { guest.map(0x10000 + page << 12, to: 0x20_0000 + page << 12, clean) }
    guest.boot()
    for cpu in [1, 0] as [UInt64] {
      guest.cpu(cpu)
      guest.cr3(guest.root)
      guest.write(0x10000 + cpu << 12)
    }
    while guest.next < 100 { guest.read(0x10000) }
    guest.cpu(1)
    guest.write(0x12000)
    let keys = log("pml", ["nested.ad": "on", "dirty-log.interval": "100"])
    let outcome = try run(guest, .nested, keys)
    let tables: [UInt64] = [0x100, 0x101, 0x102, 0x103]
    XCTAssertEqual(outcome.rounds.map(\.pages), [tables + [0x200, 0x201], tables + [0x202]])
    // The first harvest: the CPU that runs, and the other before it runs again; the second: the one that runs.
    XCTAssertEqual(outcome.counters.invepts, 3)
    XCTAssertEqual(outcome.counters.invvpids, 2)
  }

  /// Large pages are split when logging begins and put together when it ends.
  func testLoggingSplitsAndCollapsesLargePages() throws {
    for (page, split, collapsed) in [("2M", 2, 2), ("1G", 513, 1)] as [(String, UInt64, UInt64)] {
      for (method, more) in [("write-protect", [:]), ("d-bit", ["nested.ad": "on"]), ("pml", ["nested.ad": "on"])] {
        var guest = program
        guest.items[0].operation = Operation(.ram, 1 << 30)
        let keys = ["nested.page": page, "dirty-log.start": "7", "dirty-log.rounds": "1", "dirty-log.interval": "3"]
        let c = try run(guest, .nested, log(method, keys.merging(more) { $1 }), on: .roomy).counters
        XCTAssertEqual([c.nestedSplit, c.nestedCollapsed], [split, collapsed], "\(page) \(method)")
        XCTAssertEqual(c.dirtyLogRounds, 1)
        XCTAssertEqual(c.invepts, 3, "begun, harvested, collapsed")
        // The tables are used again when logging begins again; here the large pages are as before.
        XCTAssertEqual(c.hiddenFill, page == "2M" ? 2 : 1)
      }
    }
  }

  /// A store to a page whose logging has ended is nobody's business.
  func testLoggingEnds() throws {
    for mode in [Mode.nested, .shadow, .emulatedTLB] {
      let outcome = try run(program, mode, log("write-protect", ["dirty-log.rounds": "2"]))
      XCTAssertEqual(outcome.rounds.map(\.number), [1, 2])
      XCTAssertEqual(outcome.rounds.map(\.firstOperation), [6, 8])
      XCTAssertEqual(outcome.rounds.map(\.operations), [2, 8])
      XCTAssertEqual(outcome.counters.traceFaultsDirtyLog, mode == .nested ? 6 : 3)
    }
  }

  /// Pages that the guest may store to already are protected when logging begins.
  func testLoggingBeginsLater() throws {
    for mode in [Mode.nested, .shadow, .emulatedTLB] {
      let outcome = try run(program, mode, log("write-protect", ["dirty-log.start": "8"]))
      XCTAssertEqual(outcome.rounds.map(\.pages), [[0x201, 0x202], [], [0x200]], "\(mode)")
    }
  }

  /// The pointers of PAE paging are in registers: with the tables gone they must be loaded again.
  func testAStoreInEachRoundUnderPAE() throws {
    var guest = Guest(levels: 3)
    guest.append(.ram, 8 << 20)
    guest.map(0x11000, to: 0x20_1000, clean)
    guest.boot()
    while guest.next < 32 { guest.write(0x11000) }
    for mode in [Mode.nested, .shadow, .emulatedTLB] {
      let rounds = try run(guest, mode, log("write-protect")).rounds
      XCTAssertEqual(rounds.map { $0.pages.contains(0x201) }, [true, true, true, true], "\(mode)")
    }
  }
}
