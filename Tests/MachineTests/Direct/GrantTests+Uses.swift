import Paging
import XCTest

@testable import Machine

/// What a grant permits, counts and keeps.
extension GrantTests {
  /// Each count of uses has 8 bits, and none runs over.
  func testUsesDoNotRunOver() {
    var pair = GrantPair()
    XCTAssertEqual(pair.grant(2), 0)
    for number in 0..<128 { XCTAssertEqual(pair.map(2, [.device, .readOnly]), 0, "\(number)") }
    XCTAssertEqual(pair.map(2, [.device, .readOnly]), -1)
    XCTAssertNil(pair.problem())
  }

  /// A device's mapping ends by the address that the device has; the processor's and the device's end one by one.
  func testDeviceMappingsEndByTheirBusAddress() {
    var pair = GrantPair()
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

  /// What is in use stays what it was when the granter changes its entry.
  func testGranterCannotChangeWhatIsMapped() {
    var pair = GrantPair()
    XCTAssertEqual(pair.grant(2), 0)
    XCTAssertEqual(pair.map(2), 0)
    let frame = pair.frame
    pair.granter.at(pair.host) { attack in
      let other = GrantCall.grantAccess(reference: 2, to: .guest, frame: attack.frames[2], isReadOnly: false)
      XCTAssertEqual(attack.call(.grant(other)).value, 0)
    }
    XCTAssertEqual(pair.map(2), 0)
    let address = GrantPair.address
    pair.mapper.at(pair.host) { attack in
      XCTAssertNil(attack.reach(address, .store))
      XCTAssertEqual(attack.cached, [frame])
    }
    XCTAssertNil(pair.problem())
  }

  /// Only the reserved entries may be in use when the version changes; they keep what they say, in the new layout.
  func testVersionKeepsReservedEntries() {
    var pair = GrantPair()
    XCTAssertEqual(pair.grant(2), 0)
    XCTAssertEqual(pair.grant(9), 0)
    XCTAssertEqual(pair.map(2), 0)
    XCTAssertEqual(pair.map(9, [.device]), 0)
    let frame = pair.frame
    XCTAssertEqual(pair.granter.at(pair.host) { $0.call(.grant(.setVersion(2))).value }, -16)
    XCTAssertEqual(pair.unmap(1, bus: frame.address.raw), 0)
    XCTAssertEqual(pair.granter.at(pair.host) { $0.call(.grant(.setVersion(2))).value }, 0)
    pair.granter.at(pair.host) { attack in
      guard let table = attack.backend.xen.grantTables[GrantPair.granter] else { return XCTFail("no table") }
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
    var pair = GrantPair()
    XCTAssertEqual(pair.grant(2, isReadOnly: true), 0)
    XCTAssertEqual(pair.grant(3), 0)
    let frame = pair.frame
    pair.granter.at(pair.host) { $0.machine.memory.write(frame.entryAddress(index: 1), 0x1122_3344_5566_7788) }
    let granted = { (reference: Int, offset: UInt64) in
      GrantCall.Copy.Operand.grant(GrantPair.granter, reference: reference, offset: offset)
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
