import Paging
import XCTest

@testable import Machine

/// Grants between two domains that have processors of their own: what their ends leave, and which CPUs are flushed.
final class GrantTests: XCTestCase {
  private static let granter = DomainID(1)
  /// The entry of the mapper's lowest table that maps what is granted, and what it maps.
  private static let index = 5
  private let address = VirtualAddress(UInt64(GrantTests.index) << 12)

  /// The granter's page 5, mapped by the mapper.
  private struct Pair: ~Copyable {
    let host = XenHost()
    var mapper: Attack
    var granter: Attack
    var frame: MPN { granter.frames[5] }
    var entry: UInt64 { mapper.frames[1].entryAddress(index: GrantTests.index).raw }

    init() {
      mapper = Attack(.guest, on: host)
      granter = Attack(GrantTests.granter, on: host)
    }

    mutating func grant(_ reference: Int, isReadOnly: Bool = false) -> Int {
      let call = GrantCall.grantAccess(
        reference: reference, to: .guest, frame: frame, isReadOnly: isReadOnly)
      return granter.at(host) { $0.call(.grant(call)).value }
    }

    /// The status, 0 if it is mapped.
    mutating func map(_ reference: Int, _ flags: GrantMapFlags = [.host, .application, .containsEntry]) -> Int {
      let map = GrantCall.Map(granter: GrantTests.granter, reference: reference, address: entry, flags: flags)
      return mapper.at(host) { $0.call(.grant(.map([map]))).parts[0].value }
    }

    mutating func unmap(_ handle: Int, bus: UInt64 = 0) -> Int {
      let unmap = GrantCall.Unmap(handle: handle, address: entry, busAddress: bus)
      return mapper.at(host) { $0.call(.grant(.unmap([unmap]))).parts[0].value }
    }

    mutating func problem() -> String? {
      mapper.at(host) { $0.backend.xen.violatedInvariant($0.machine) ?? $0.staleRight() }
        ?? granter.at(host) { $0.staleRight() }
    }

    /// The word of an entry of the granter's table.
    mutating func word(_ reference: Int) -> UInt64 {
      granter.at(host) { attack in
        attack.backend.xen.grantTables[GrantTests.granter].map { attack.machine.memory.read($0.place(of: reference)) }
          ?? 0
      }
    }
  }

  func testGranterIsDestroyedWhileItsPageIsMapped() {
    var pair = Pair()
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
      XCTAssertTrue(attack.backend.xen.isZombie(Self.granter))
      XCTAssertEqual(attack.backend.xen.frames.owner(of: frame, attack.machine), Self.granter)
      XCTAssertEqual(attack.machine.memory.read(frame.entryAddress(index: 3)), 0x5ec3e7)
    }
    XCTAssertEqual(pair.map(2), -2, "nothing new of a domain that is gone")
    XCTAssertEqual(pair.unmap(0), 0)
    pair.mapper.at(pair.host) { attack in
      XCTAssertEqual(attack.cached, [])
      XCTAssertFalse(attack.backend.xen.isZombie(Self.granter))
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

  func testMapperIsDestroyed() {
    for flags in [[.host, .containsEntry], [.device], [.host, .device, .containsEntry]] as [GrantMapFlags] {
      var pair = Pair()
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
    var pair = Pair()
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
    var pair = Pair()
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
    var pair = Pair()
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

  /// Each count of uses has 8 bits, and none runs over.
  func testUsesDoNotRunOver() {
    var pair = Pair()
    XCTAssertEqual(pair.grant(2), 0)
    for number in 0..<128 { XCTAssertEqual(pair.map(2, [.device, .readOnly]), 0, "\(number)") }
    XCTAssertEqual(pair.map(2, [.device, .readOnly]), -1)
    XCTAssertNil(pair.problem())
  }

  /// A device's mapping ends by the address that the device has; the processor's and the device's end one by one.
  func testDeviceMappingsEndByTheirBusAddress() {
    var pair = Pair()
    XCTAssertEqual(pair.grant(2), 0)
    XCTAssertEqual(pair.map(2, [.host, .device, .containsEntry]), 0)
    let frame = pair.frame
    XCTAssertEqual(pair.unmap(0, bus: frame.address.raw + 8), -1)
    XCTAssertEqual(pair.unmap(0), 0)
    XCTAssertNil(pair.problem())
    XCTAssertEqual(pair.word(2) & 0xffff, 0x19, "the device still has it")
    XCTAssertEqual(pair.unmap(0, bus: frame.address.raw), 0)
    XCTAssertEqual(pair.word(2) & 0xffff, 1)
    XCTAssertEqual(pair.unmap(0, bus: frame.address.raw), -4)
    XCTAssertNil(pair.problem())
  }

  /// The mapper's devices reach what is granted to them, with its right and no longer than that; the granter's no table.
  func testDevicesReachWhatIsGrantedToThem() {
    var pair = Pair()
    pair.mapper.at(pair.host) { $0.takeDevices() }
    pair.granter.at(pair.host) { $0.takeDevices() }
    XCTAssertEqual(pair.grant(2), 0)
    let frame = pair.frame
    let reaches = { (pair: inout Pair, access: IOMMU.Access) in
      pair.mapper.at(pair.host) { attack in
        attack.backend.xen.frames.iommu.translate(
          frame.raw, access, for: .guest, &attack.machine.counters) == frame
      }
    }
    XCTAssertEqual(pair.map(2), 0)
    XCTAssertFalse(reaches(&pair, .read), "the processor's mapping")
    XCTAssertEqual(pair.map(2, [.device, .readOnly]), 0)
    XCTAssertTrue(reaches(&pair, .read))
    XCTAssertFalse(reaches(&pair, .write))
    XCTAssertEqual(pair.map(2, .device), 0)
    XCTAssertTrue(reaches(&pair, .write))
    XCTAssertNil(pair.problem())
    XCTAssertEqual(pair.unmap(2, bus: frame.address.raw), 0)
    XCTAssertTrue(reaches(&pair, .read))
    XCTAssertFalse(reaches(&pair, .write))
    XCTAssertEqual(pair.unmap(1, bus: frame.address.raw), 0)
    XCTAssertFalse(reaches(&pair, .read))
    XCTAssertNil(pair.problem())
  }

  /// What a domain gives back is out of its devices' reach, whoever gets it, and in the reach of the next one's.
  func testDevicesLoseWhatIsGivenBack() {
    var pair = Pair()
    pair.granter.at(pair.host) { $0.takeDevices() }
    pair.mapper.at(pair.host) { $0.takeDevices() }
    let frame = pair.granter.frames[8]
    let reaches = { (attack: inout Attack) in
      attack.backend.xen.frames.iommu.translate(
        frame.raw, .write, for: attack.machine.domain, &attack.machine.counters) == frame
    }
    pair.mapper.at(pair.host) { attack in
      attack.backend.xen.frames.reserve = 0
      XCTAssertEqual(attack.call(.memory(.decrease([attack.frames[19]], order: 0))).value, 1)
    }
    pair.granter.at(pair.host) { attack in
      XCTAssertTrue(reaches(&attack))
      XCTAssertEqual(attack.call(.memory(.decrease([frame], order: 0))).value, 1)
      XCTAssertFalse(reaches(&attack))
    }
    pair.mapper.at(pair.host) { attack in
      XCTAssertEqual(attack.call(.memory(.increase(count: 1, order: 0))).frames, [frame])
      XCTAssertTrue(reaches(&attack))
    }
    XCTAssertFalse(pair.granter.at(pair.host) { reaches(&$0) })
    XCTAssertNil(pair.problem())
  }

  /// What is in use stays what it was when the granter changes its entry.
  func testGranterCannotChangeWhatIsMapped() {
    var pair = Pair()
    XCTAssertEqual(pair.grant(2), 0)
    XCTAssertEqual(pair.map(2), 0)
    let frame = pair.frame
    pair.granter.at(pair.host) { attack in
      let other = GrantCall.grantAccess(reference: 2, to: .guest, frame: attack.frames[2], isReadOnly: false)
      XCTAssertEqual(attack.call(.grant(other)).value, 0)
    }
    XCTAssertEqual(pair.map(2), 0)
    let address = address
    pair.mapper.at(pair.host) { attack in
      XCTAssertNil(attack.reach(address, .store))
      XCTAssertEqual(attack.cached, [frame])
    }
    XCTAssertNil(pair.problem())
  }

  /// Only the reserved entries may be in use when the version changes; they keep what they say, in the new layout.
  func testVersionKeepsReservedEntries() {
    var pair = Pair()
    XCTAssertEqual(pair.grant(2), 0)
    XCTAssertEqual(pair.grant(9), 0)
    XCTAssertEqual(pair.map(2), 0)
    XCTAssertEqual(pair.map(9, [.device]), 0)
    let frame = pair.frame
    XCTAssertEqual(pair.granter.at(pair.host) { $0.call(.grant(.setVersion(2))).value }, -16)
    XCTAssertEqual(pair.unmap(1, bus: frame.address.raw), 0)
    XCTAssertEqual(pair.granter.at(pair.host) { $0.call(.grant(.setVersion(2))).value }, 0)
    pair.granter.at(pair.host) { attack in
      guard let table = attack.backend.xen.grantTables[Self.granter] else { return XCTFail("no table") }
      let entry = attack.backend.xen.grantEntry(2, of: table, attack.machine)
      XCTAssertEqual(entry.flags, .permitAccess)
      XCTAssertEqual(entry.frame, frame)
      XCTAssertEqual(attack.backend.xen.grantStatus(2, of: table, attack.machine), [.reading, .writing])
      XCTAssertEqual(attack.backend.xen.grantEntry(9, of: table, attack.machine).flags, [])
    }
    XCTAssertNil(pair.problem())
    XCTAssertEqual(pair.map(2, [.host, .readOnly, .containsEntry]), 0)
    XCTAssertEqual(pair.unmap(1), 0)
    XCTAssertEqual(pair.granter.at(pair.host) { $0.call(.grant(.setVersion(1))).value }, 0)
    // Its entry went when the other mapping took its place.
    XCTAssertEqual(pair.word(2) & 0xffff, 0x19)
    XCTAssertNil(pair.problem())
  }

  /// Xen copies to what may be written to, and nothing else.
  func testCopies() {
    var pair = Pair()
    XCTAssertEqual(pair.grant(2, isReadOnly: true), 0)
    XCTAssertEqual(pair.grant(3), 0)
    let frame = pair.frame
    pair.granter.at(pair.host) { $0.machine.memory.write(frame.entryAddress(index: 1), 0x1122_3344_5566_7788) }
    let granted = { (reference: Int, offset: UInt64) in
      GrantCall.Copy.Operand.grant(Self.granter, reference: reference, offset: offset)
    }
    pair.mapper.at(pair.host) { attack in
      let data = GrantCall.Copy.Operand.own(MachineAddress(attack.frames[6].address.raw | 0x13))
      let table = GrantCall.Copy.Operand.own(MachineAddress(attack.frames[1].address.raw))
      let cases: [(GrantCall.Copy, Int)] = [
        (.init(source: granted(2, 9), destination: data, length: 6), 0),
        (.init(source: data, destination: granted(2, 0), length: 8), -1),
        (.init(source: granted(3, 8), destination: table, length: 8), -1),
        (.init(source: table, destination: granted(3, 0x10), length: 8), 0),
        (.init(source: granted(3, 4090), destination: data, length: 8), -10),
        (.init(source: granted(7, 0), destination: data, length: 8), -1),
        (.init(source: granted(600, 0), destination: data, length: 8), -3),
        (.init(source: .own(MachineAddress(frame.address.raw)), destination: data, length: 8), -9),
      ]
      for (copy, status) in cases {
        XCTAssertEqual(attack.call(.grant(.copy([copy]))).parts[0].value, status, "\(copy)")
      }
      XCTAssertEqual(
        attack.machine.memory.read(attack.frames[6].entryAddress(index: 2)), 0x3344_5566_7700_0000 as UInt64)
      XCTAssertEqual(attack.machine.memory.read(attack.frames[6].entryAddress(index: 3)), 0x22)
      XCTAssertEqual(
        attack.machine.memory.read(frame.entryAddress(index: 2)),
        attack.machine.memory.read(attack.frames[1].entryAddress(index: 0)))
      XCTAssertEqual(attack.machine.counters.grantCopies, 2)
    }
    XCTAssertEqual(pair.word(3) & 0xffff, 1)
    XCTAssertNil(pair.problem())
  }
}
