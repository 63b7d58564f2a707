import Paging
import XCTest

@testable import Machine

/// What a frontend may try, and what a device reaches.
extension IORingTests {
  private func makeAttack() throws -> Attack {
    var attack = Attack()
    try attack.backend.addSplitDevice(&attack.cpu, &attack.machine)
    attack.backend.isBuilding = false
    return attack
  }

  private func reaches(_ attack: inout Attack, _ frame: MPN, _ access: IOMMU.Access) -> Bool {
    attack.backend.xen.frames.iommu.translate(
      frame.raw, access, for: .driver, attack.machine.memory, &attack.machine.counters) == frame
  }

  /// A request as a frontend writes it, and what comes of it.
  private func ask(_ attack: inout Attack, _ reference: Int, writes: Bool) -> [Bool] {
    attack.backend.device?.ring.put(.init(reference: reference, writes: writes, number: 0), &attack.machine.memory)
    _ = attack.backend.device?.ring.pushRequests(&attack.machine.memory)
    return attack.backend.serve(&attack.cpu, &attack.machine)
  }

  private func grant(_ attack: inout Attack, page: Int, isReadOnly: Bool = false) {
    let frame = attack.frames[page]
    let grant = GrantCall.grantAccess(reference: 20, to: .driver, frame: frame, isReadOnly: isReadOnly)
    let result = attack.call(.grant(grant)).value
    XCTAssertEqual(result, 0)
  }

  private func checked(_ attack: inout Attack, _ place: UInt = #line) {
    XCTAssertNil(attack.backend.xen.violatedInvariant(attack.machine), line: place)
  }

  /// The device reaches what a request names, with its right, while that is under way, and no longer; nor can the grant be taken
  /// back before.
  func testDeviceReachesWhatIsAskedFor() throws {
    for writes in [false, true] {
      var attack = try makeAttack()
      let frame = attack.frames[7]
      XCTAssertFalse(reaches(&attack, frame, .read))
      grant(&attack, page: 7, isReadOnly: !writes)
      XCTAssertFalse(reaches(&attack, frame, .read), "nobody has mapped it")
      XCTAssertEqual(ask(&attack, 20, writes: writes), [true])
      XCTAssertTrue(reaches(&attack, frame, .read))
      XCTAssertEqual(reaches(&attack, frame, .write), writes)
      XCTAssertFalse(reaches(&attack, attack.frames[8], .read))
      XCTAssertEqual(attack.call(.grant(.endAccess(reference: 20))).value, -16)
      checked(&attack)
      attack.backend.completeTransfers(isLast: true, &attack.cpu, &attack.machine)
      XCTAssertFalse(reaches(&attack, frame, .read))
      XCTAssertEqual(attack.call(.grant(.endAccess(reference: 20))).value, 0)
      XCTAssertTrue(attack.backend.xen.frames[frame].isUnused)
      checked(&attack)
    }
  }

  /// No grant, one that is for another domain, one of another's frame, one that has been taken back, one to read alone, one of a
  /// page table: refused, counted, and out of the device's reach.
  func testHostileRequestsAreRefused() throws {
    let victim = 23
    let cases: [(String, (inout Attack) -> Void, Int, Bool)] = [
      ("no grant", { _ in }, 20, false), ("no entry", { _ in }, 4_000_000_000, false),
      (
        "another's",
        { attack in
          let frame = attack.frames[7]
          _ = attack.call(.grant(.grantAccess(reference: 20, to: DomainID(8), frame: frame, isReadOnly: false)))
        }, 20, false
      ),
      ("a foreign frame", { self.grant(&$0, page: victim) }, 20, false),
      (
        "taken back",
        {
          self.grant(&$0, page: 7)
          XCTAssertEqual($0.call(.grant(.endAccess(reference: 20))).value, 0)
        }, 20, false
      ),
      ("to read alone", { self.grant(&$0, page: 7, isReadOnly: true) }, 20, true),
      ("a table", { self.grant(&$0, page: 1) }, 20, true),
    ]
    for (name, prepare, reference, writes) in cases {
      var attack = try makeAttack()
      prepare(&attack)
      XCTAssertEqual(ask(&attack, reference, writes: writes), [false], name)
      XCTAssertEqual(attack.machine.counters.dmaFaults, 1, name)
      XCTAssertEqual(attack.machine.counters.dmaTranslations, 0, name)
      for page in [1, 7, victim] {
        let frame = attack.frames[page]
        XCTAssertFalse(reaches(&attack, frame, .read), name)
        XCTAssertFalse(reaches(&attack, frame, .write), name)
      }
      attack.backend.completeTransfers(isLast: true, &attack.cpu, &attack.machine)
      checked(&attack)
    }
  }

  /// A frontend that claims more requests than the ring has room for gets none of them; one that changes a request after it was taken
  /// changes nothing.
  func testHostileRing() throws {
    var attack = try makeAttack()
    let page = try XCTUnwrap(attack.backend.device?.ring.page)
    attack.machine.memory.writeNarrow(page.address, 257)
    XCTAssertEqual(attack.backend.serve(&attack.cpu, &attack.machine), [])
    XCTAssertEqual(attack.machine.counters.grantMaps, 0)
    attack.machine.memory.writeNarrow(page.address, 256)
    XCTAssertEqual(attack.backend.serve(&attack.cpu, &attack.machine).count, 256)
    checked(&attack)
  }

  /// What has been answered is granted no more.
  func testFrontendTakesItsGrantsBack() throws {
    var attack = try makeAttack()
    attack.backend.transferThroughRing(7...8, writes: true, &attack.cpu, &attack.machine)
    XCTAssertEqual(attack.machine.counters.dmaPages, 2)
    let table = try XCTUnwrap(attack.backend.xen.grantTables[.guest])
    for number in 0..<2 {
      XCTAssertEqual(attack.machine.memory.read(table.place(of: SplitDevice.firstReference + number)), 0)
    }
    XCTAssertNotEqual(attack.machine.memory.read(table.place(of: SplitDevice.ringReference)), 0)
  }

  /// The guest's TLBs keep what they have: the driver domain's processors are others.
  func testDriverFlushesItsOwnProcessors() throws {
    var attack = try makeAttack()
    grant(&attack, page: 7)
    let clock = attack.machine.flushClock
    XCTAssertEqual(ask(&attack, 20, writes: true), [true])
    attack.backend.completeTransfers(isLast: true, &attack.cpu, &attack.machine)
    XCTAssertEqual(attack.machine.flushClock, clock)
  }
}
