import Paging
import XCTest

@testable import Machine

/// What devices reach by grants, and what they lose.
extension GrantTests {
  /// The mapper's devices reach what is granted to them, with its right and no longer than that; the granter's no table.
  func testDevicesReachWhatIsGrantedToThem() {
    var pair = GrantPair()
    pair.mapper.at(pair.host) { $0.takeDevices() }
    pair.granter.at(pair.host) { $0.takeDevices() }
    XCTAssertEqual(pair.grant(2), 0)
    let frame = pair.frame
    let reaches = { (pair: inout GrantPair, access: IOMMU.Access) in
      pair.mapper.at(pair.host) { attack in
        attack.backend.xen.frames.iommu.translate(
          frame.raw, access, for: .guest, attack.machine.memory, &attack.machine.counters) == frame
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
    var pair = GrantPair()
    pair.granter.at(pair.host) { $0.takeDevices() }
    pair.mapper.at(pair.host) { $0.takeDevices() }
    let frame = pair.granter.frames[8]
    let reaches = { (attack: inout Attack) in
      attack.backend.xen.frames.iommu.translate(
        frame.raw, .write, for: attack.machine.domain, attack.machine.memory, &attack.machine.counters) == frame
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
}
