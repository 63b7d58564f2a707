import Paging
import XCTest

@testable import Machine

/// Grants between two domains that have processors of their own: what their ends leave, and which CPUs are flushed.
final class GrantTests: XCTestCase {
  private var address: VirtualAddress { GrantPair.address }

  func testGranterIsDestroyedWhileItsPageIsMapped() {
    var pair = GrantPair()
    XCTAssertEqual(pair.grant(2), 0)
    XCTAssertEqual(pair.map(2), 0)
    let frame = pair.frame
    pair.granter.at(pair.host) { attack in
      attack.machine.memory.write(frame.entryAddress(index: 3), 0x5ec3e7)
      _ = attack.call(.destroy)
    }
    XCTAssertNil(pair.problem())
    let address = address
    pair.mapper.at(pair.host) { attack in
      XCTAssertNil(attack.reach(address, .store))
      XCTAssertEqual(attack.cached, [frame])
      XCTAssertTrue(attack.backend.xen.isZombie(GrantPair.granter))
      XCTAssertEqual(attack.backend.xen.frames.owner(of: frame, attack.machine), GrantPair.granter)
      XCTAssertEqual(attack.machine.memory.read(frame.entryAddress(index: 3)), 0x5ec3e7)
    }
    XCTAssertEqual(pair.map(2), -2, "nothing new of a domain that is gone")
    XCTAssertEqual(pair.unmap(0), 0)
    pair.mapper.at(pair.host) { attack in
      XCTAssertEqual(attack.cached, [])
      XCTAssertFalse(attack.backend.xen.isZombie(GrantPair.granter))
      XCTAssertNil(attack.backend.xen.frames.owner(of: frame, attack.machine))
      XCTAssertEqual(attack.machine.memory.read(frame.entryAddress(index: 3)), 0, "scrubbed")
      let held = attack.backend.xen.frames.known.filter {
        !attack.backend.xen.frames[$0].isUnused
          && !attack.backend.xen.frames.isOwned($0, by: .guest, attack.machine)
      }
      XCTAssertEqual(held, [])
    }
    XCTAssertNil(pair.problem())
  }

  /// A frame whose last reference is one of the dying domain's own grants.
  func testWhatGrantsOfADyingDomainHeldIsScrubbed() {
    var pair = GrantPair()
    pair.granter.at(pair.host) { attack in
      let frame = attack.frames[8]
      let grant = GrantCall.grantAccess(reference: 2, to: GrantPair.granter, frame: frame, isReadOnly: false)
      XCTAssertEqual(attack.call(.grant(grant)).value, 0)
      let map = GrantCall.Map(granter: GrantPair.granter, reference: 2, address: 0, flags: .device)
      XCTAssertEqual(attack.call(.grant(.map([map]))).parts[0].value, 0)
      attack.machine.memory.write(frame.entryAddress(index: 3), 0x5ec3e7)
      XCTAssertEqual(attack.call(.memory(.decrease([frame], order: 0))).value, 1)
      XCTAssertEqual(attack.backend.xen.frames.owner(of: frame, attack.machine), GrantPair.granter)
      _ = attack.call(.destroy)
      XCTAssertNil(attack.backend.xen.frames.owner(of: frame, attack.machine))
      XCTAssertEqual(attack.machine.memory.read(frame.entryAddress(index: 3)), 0)
    }
  }

  func testMapperIsDestroyed() {
    for flags in [[.host, .containsEntry], [.device], [.host, .device, .containsEntry]] as [GrantMapFlags] {
      var pair = GrantPair()
      XCTAssertEqual(pair.grant(2), 0)
      XCTAssertEqual(pair.map(2, flags), 0)
      XCTAssertEqual(pair.map(2, flags.union(.readOnly)), 0)
      XCTAssertNil(pair.problem())
      XCTAssertEqual(pair.word(2) & 0xffff, 0x19)
      let frame = pair.frame
      _ = pair.mapper.at(pair.host) { $0.call(.destroy) }
      XCTAssertEqual(pair.word(2) & 0xffff, 1, "no longer in use")
      pair.granter.at(pair.host) { attack in
        XCTAssertNil(attack.backend.xen.violatedInvariant(attack.machine))
        // Its own mapping of the page goes, then it may be a table.
        let update = Hypercall.MMUUpdates(requests: [(pointer: attack.frames[1].address.raw, value: 0 as UInt64)])
        XCTAssertEqual(attack.call(.mmuUpdate(update)).value, 0)
        XCTAssertEqual(
          attack.call(.mmuExtended([.init(number: 0, first: frame.address.raw)], pages: .oneself)).value, 0)
      }
    }
  }

  /// The granter lets go first, without a flush; the mapper drops the last reference. Before the frame is a table of the
  /// granter's, the granter's own CPUs must be flushed, whatever the mapper's clock says.
  func testLastUseByAnotherIsTimedByTheOwner() {
    var pair = GrantPair()
    XCTAssertEqual(pair.grant(2), 0)
    XCTAssertEqual(pair.map(2), 0)
    let frame = pair.frame
    pair.granter.at(pair.host) { attack in
      XCTAssertNil(attack.reach(VirtualAddress(0), .store))
      XCTAssertEqual(attack.cached, [frame])
      let update = Hypercall.MMUUpdates(requests: [(pointer: attack.frames[1].address.raw, value: 0 as UInt64)])
      XCTAssertEqual(attack.call(.mmuUpdate(update)).value, 0)
    }
    pair.mapper.at(pair.host) { attack in
      for _ in 0..<7 { XCTAssertEqual(attack.call(.mmuExtended([.init(number: 10)], pages: .oneself)).value, 0) }
    }
    XCTAssertEqual(pair.unmap(0), 0)
    pair.granter.at(pair.host) { attack in
      XCTAssertEqual(attack.cached, [frame], "nothing has flushed it so far")
      XCTAssertEqual(
        attack.call(.mmuExtended([.init(number: 0, first: frame.address.raw)], pages: .oneself)).value, 0)
      XCTAssertEqual(attack.cached, [])
    }
    XCTAssertNil(pair.problem())
  }

  /// A frame that was a table becomes writable by the mapper's doing: the owner's CPUs may still know it as one.
  func testOwnerIsFlushedBeforeItsFormerTableIsWritable() {
    var pair = GrantPair()
    let frame = pair.frame
    pair.granter.at(pair.host) { attack in
      let update = Hypercall.MMUUpdates(requests: [(pointer: attack.frames[1].address.raw, value: 0 as UInt64)])
      XCTAssertEqual(attack.call(.mmuUpdate(update)).value, 0)
      for number in [0, 4] {
        XCTAssertEqual(
          attack.call(.mmuExtended([.init(number: number, first: frame.address.raw)], pages: .oneself)).value, 0)
      }
    }
    XCTAssertEqual(pair.grant(2), 0)
    let clock = pair.granter.at(pair.host) { $0.machine.flushClock }
    XCTAssertEqual(pair.map(2), 0)
    XCTAssertEqual(pair.granter.at(pair.host) { $0.machine.flushClock }, clock + 1)
  }

  /// What the mapper overwrites loses its reference, and no CPU keeps it.
  func testOverwrittenMappingIsFlushed() {
    var pair = GrantPair()
    XCTAssertEqual(pair.grant(2), 0)
    XCTAssertEqual(pair.map(2), 0)
    let (frame, entry, address) = (pair.frame, pair.entry, address)
    pair.mapper.at(pair.host) { attack in
      XCTAssertNil(attack.reach(address, .store))
      XCTAssertEqual(attack.cached, [frame])
      let update = Hypercall.MMUUpdates(requests: [(pointer: entry, value: 0 as UInt64)])
      XCTAssertEqual(attack.call(.mmuUpdate(update)).value, 0)
      XCTAssertEqual(attack.cached, [])
    }
    XCTAssertEqual(pair.unmap(0), -1)
    XCTAssertNil(pair.problem())
  }
}
