import Paging
import XCTest

@testable import Machine

/// What comes of an access under nested paging, cell by cell (SDM 3C 29.3.3; APM 2 15.25).
final class NestedRightsTests: XCTestCase {
  static let kinds = AccessKind.allCases

  /// 2.1: rights of the data page's EPT entry against load, store and fetch. Qualification: bits 2…0 the access, 5…3 the
  /// rights, 7 and 8.
  func testEPTRightsOfTheDataPage() throws {
    for (rights, expected) in [
      (0b000, ["ept-violation 181", "ept-violation 182", "ept-violation 184"]),
      (0b001, ["ok", "ept-violation 18a", "ept-violation 18c"]),
      (0b010, ["ept-misconfiguration", "ept-misconfiguration", "ept-misconfiguration"]),
      (0b110, ["ept-misconfiguration", "ept-misconfiguration", "ept-misconfiguration"]),
      (0b011, ["ok", "ok", "ept-violation 19c"]),
      (0b100, ["ept-violation 1a1", "ept-violation 1a2", "ok"]),
      (0b101, ["ok", "ept-violation 1aa", "ok"]),
      (0b111, ["ok", "ok", "ok"]),
    ] as [(UInt8, [String])] {
      // A right that lacks at any level lacks; a table's entry must be readable for the walk to go on.
      for level in 1...4 {
        for (kind, result) in zip(Self.kinds, expected) {
          var bench = try NestedBench([:])
          // The tables lie in another 2 MiB, 1 GiB and 512 GiB than the data, so that only the data meets the entry.
          bench.moveDataAway(level)
          bench.grant(NestedRights(bits: rights), to: bench.dataPage, level: level)
          let found = bench.outcome(kind)
          let wanted = result == "ok" ? "ok" : result + " at " + String(bench.dataPage, radix: 16)
          XCTAssertEqual(found, wanted, "rights \(rights), level \(level), \(kind)")
        }
      }
    }
  }

  /// 2.1 with mode-based execute control: X is for supervisor-mode addresses, XU (bit 10) for user-mode ones, whoever
  /// fetches; bit 6 of the qualification is XU. All sixteen rights against three accesses to pages of both kinds.
  func testModeBasedExecuteControl() throws {
    for raw in 0..<UInt8(16) {
      let rights = NestedRights(rawValue: raw)
      for isUserPage in [true, false] {
        for kind in Self.kinds {
          var bench = try NestedBench(
            ["nested.mbec": "on"], guest: isUserPage ? [.present, .writable, .user] : [.present, .writable])
          bench.grant(rights, to: 0x20)
          let needed: NestedRights = [.read, .write, isUserPage ? .executeUser : .execute][Int(kind.rawValue)]
          let code = 0x180 | 1 << UInt64(kind.rawValue) | UInt64(raw & 7) << 3 | UInt64(raw >> 3) << 6
          let isMalformed = !rights.contains(.read) && rights.contains(.write)
          let expected =
            isMalformed
            ? "ept-misconfiguration at 20"
            : rights.contains(needed) ? "ok" : "ept-violation \(String(code, radix: 16)) at 20"
          let found = bench.outcome(kind, user: isUserPage)
          XCTAssertEqual(found, expected, "rights \(raw), user page \(isUserPage), \(kind)")
        }
      }
    }
    // A supervisor fetches from a user page (SMEP is off): it is the address that counts.
    var bench = try NestedBench(["nested.mbec": "on"])
    bench.grant([.read, .executeUser], to: 0x20)
    XCTAssertEqual(bench.outcome(.fetch, user: false), "ok")
    bench = try NestedBench(["nested.mbec": "on", "nested.execute-only": "off"])
    bench.grant(.executeUser, to: 0x20)
    XCTAssertEqual(bench.outcome(.fetch), "ept-misconfiguration at 20")
    // Without the control bit 10 means nothing: alone it is an absent entry, beside X it changes nothing.
    bench = try NestedBench([:])
    bench.set(bench.nested(0x20) & ~7 | NestedFormat.executeUser, for: 0x20)
    XCTAssertEqual(bench.outcome(.load), "ept-violation 181 at 20")
  }

  /// What the TLB keeps of the right: one more fetch from a page of the other kind.
  func testTheTLBKeepsTheRightsToExecute() throws {
    for isUserPage in [true, false] {
      var bench = try NestedBench(
        ["nested.mbec": "on"], guest: isUserPage ? [.present, .writable, .user] : [.present, .writable])
      bench.grant(isUserPage ? [.read, .write, .execute] : [.read, .write, .executeUser], to: 0x20)
      let access = Access(AccessKind.load, user: isUserPage)
      guard case .translated(let found) = bench.backend.walk(VirtualAddress(0), access, &bench.cpu, &bench.machine)
      else { return XCTFail("not translated") }
      XCTAssertEqual(found.refused, 0x44)
    }
  }

  /// Advanced information (SDM 3C table 28-7): bits 9 to 11 tell the guest's rights over all levels, for the page alone.
  func testAdvancedInformationOfViolations() throws {
    let keys = ["nested.qualification": "advanced"]
    for (flags, bits) in [
      ([.present], 0), ([.present, .user], 1 << 9), ([.present, .writable], 1 << 10),
      ([.present, .writable, .user], 3 << 9), ([.present, .noExecute], 1 << 11),
      ([.present, .writable, .user, .noExecute], 7 << 9),
    ] as [(EntryFlags, UInt64)] {
      var bench = try NestedBench(keys, guest: flags)
      bench.grant([], to: 0x20)
      let code = String(0x181 | bits, radix: 16)
      XCTAssertEqual(bench.outcome(.load, user: flags.contains(.user)), "ept-violation \(code) at 20")
    }
    var bench = try NestedBench(keys)
    bench.grant([], to: 0x13)
    XCTAssertEqual(bench.outcome(.load), "ept-violation 81 at 13", "nothing is known of the page yet")
  }

  func testExecuteOnlyIsAMisconfigurationWithoutSupport() throws {
    for kind in Self.kinds {
      var bench = try NestedBench(["nested.execute-only": "off"])
      bench.grant(.execute, to: 0x20)
      XCTAssertEqual(bench.outcome(kind), "ept-misconfiguration at 20")
    }
  }

  /// 2.1: each reserved bit alone is a misconfiguration, each ignored bit is not, in leaves and in table entries.
  func testEPTReservedBits() throws {
    let address = Set<UInt64>(46...51)
    for (level, isLeaf, reserved) in [
      (1, true, address), (2, false, address.union(3...6)), (3, false, address.union(3...6)),
      (4, false, address.union(3...7)), (2, true, address.union(12...20)), (3, true, address.union(12...29)),
    ] as [(Int, Bool, Set<UInt64>)] {
      let rules = NestedEntryRules(NestedSettings(), maxPhysicalAddressBits: 46)
      for bit in reserved.union(8...11).union(52...63).union([7]) where level == 1 || isLeaf || bit != 7 || level == 4 {
        let base: UInt64 = 7 | (isLeaf && level > 1 ? 0x80 : 0)
        switch rules.judge(base | 1 << bit, level: level) {
        case .malformed: XCTAssertTrue(reserved.contains(bit), "level \(level), leaf \(isLeaf), bit \(bit)")
        case .leaf, .table: XCTAssertFalse(reserved.contains(bit), "level \(level), leaf \(isLeaf), bit \(bit)")
        case .absent: XCTFail("bit \(bit)")
        }
      }
      // Memory types, in a leaf: 2, 3 and 7 do not exist.
      for type in 0..<UInt64(8) where isLeaf {
        var isMalformed = false
        if case .malformed = rules.judge(7 | type << 3 | (level > 1 ? 0x80 : 0), level: level) { isMalformed = true }
        XCTAssertEqual(isMalformed, [2, 3, 7].contains(type), "type \(type)")
      }
    }
    // An entry that grants nothing is absent, whatever else is in it.
    guard case .absent = NestedEntryRules(NestedSettings(), maxPhysicalAddressBits: 46).judge(~7, level: 4) else {
      return XCTFail("present")
    }
  }

  /// 2.3: the guest's fault comes before a violation of the final page, and after one of a table's.
  func testOrderOfGuestAndNestedFaults() throws {
    var bench = try NestedBench([:], guest: [.present, .user])
    bench.grant([], to: 0x20)
    XCTAssertEqual(bench.outcome(.store), "#PF 7")
    bench.grant([], to: 0x13)
    XCTAssertEqual(bench.outcome(.store), "ept-violation 81 at 13")
    bench.grant([], to: 0x11)
    XCTAssertEqual(bench.outcome(.store), "ept-violation 81 at 11")
  }

  /// The hypervisor has no reason to withhold anything: it mends what refuses, and the access goes through.
  func testTheHypervisorMendsWhatRefuses() throws {
    for format in ["ept", "npt"] {
      for level in 1...4 {
        for value in [0, 2, 1 << 50 | 7, 1] as [UInt64] {
          var bench = try NestedBench(["nested.format": format])
          let entry = bench.nested(0x20, level: level)
          bench.set(value == 0 ? 0 : entry & ~7 | value, for: 0x20, level: level)
          var isSettled = false
          let access = Access(AccessKind.store, user: true)
          for _ in 0..<10 where !isSettled {
            switch bench.backend.walk(VirtualAddress(0), access, &bench.cpu, &bench.machine) {
            case .translated(let found):
              isSettled = true
              XCTAssertEqual(found.frame, bench.machine.physmap.machine(PPN(0x20)))
            case .fault(let fault):
              guard case .retry = bench.backend.resolve(fault, &bench.cpu, &bench.machine) else { return XCTFail() }
            }
          }
          XCTAssertTrue(isSettled, "\(format), level \(level), \(value)")
        }
      }
    }
  }
}

extension NestedBench {
  /// Gives virtual 0 a page that shares no nested entry of the level with the guest's tables.
  mutating func moveDataAway(_ level: Int) {
    guard level > 1 else { return }
    dataPage = 0x20 + (1 << UInt64(9 * level - 9))
    machine.ramPages = dataPage + 1
    backend.table.fill(PPN(dataPage), upTo: .small, &machine)
    machine.setGuestWord(PhysicalAddress(Self.table(1) << 12), dataPage << 12 | 0x67)
  }
}

extension NestedRights {
  /// R, W and X of an EPT entry's bits 2…0, without mode-based execute control.
  init(bits: UInt8) { self.init(rawValue: bits | (bits & 4) << 1) }
}
