import Paging
import XCTest

@testable import Machine

/// A kernel in ring 3 with a base table of its own (`direct.rings=3`).
final class RingsTests: XCTestCase {
  private static let kernelPage: UInt64 = 0xffff_ff80_0000_0000
  private static let userPage: UInt64 = 0x10_0000

  private static var settings: Settings {
    var settings = Settings()
    settings.direct.hasTwoBases = true
    return settings
  }

  /// The kernel's page is global, the user's is not, as in native kernels.
  private func guest() -> Guest {
    var guest = Guest()
    guest.map(Self.userPage, to: 0x40_0000)
    guest.map(Self.kernelPage, to: 0x50_0000, [.present, .writable, .global])
    guest.boot()
    return guest
  }

  private func run(_ guest: Guest, _ mode: Mode = .direct) throws -> Outcome {
    try guest.run(mode, on: .roomy, Self.settings, batch: 1)
  }

  func testUserCodeHasNoKernelHalf() throws {
    var guest = guest()
    guest.read(Self.kernelPage, user: false)
    guest.read(Self.kernelPage)
    XCTAssertEqual(try run(guest, .native).faults.map(\.code), [5])
    let outcome = try run(guest)
    XCTAssertEqual(outcome.faults.map(\.code), [4])
    XCTAssertEqual(outcome.divergences, [])
  }

  func testFaultsOfTheKernelAreItsOwn() throws {
    var guest = guest()
    guest.map(0x20_0000, to: 0x60_0000, .readUser)
    guest.announce(guest.root)
    guest.read(Self.kernelPage, user: false)
    guest.write(0x30_0000, user: false)
    guest.fetch(Self.kernelPage + 0x1000, user: false)
    XCTAssertEqual(try run(guest).faults.map(\.code), try run(guest, .native).faults.map(\.code))
  }

  func testChangesOfModeDropTheKernelsPagesAlone() throws {
    var guest = guest()
    for _ in 0..<5 {
      guest.read(Self.kernelPage, user: false)
      guest.read(Self.userPage)
    }
    let counters = try run(guest).counters
    XCTAssertEqual(counters.tlbMisses, 5 + 1)
    XCTAssertEqual(counters.baseSwitches, 9)
    XCTAssertEqual(counters.systemCallsReflected, 4)
    XCTAssertEqual(counters.hypercalls, 5)
    XCTAssertEqual(try run(guest, .native).counters.tlbMisses, 2)
  }

  /// What the hypervisor hands on anyway is no system call.
  func testFaultsAndInterruptsComeToTheKernel() throws {
    var guest = guest()
    guest.read(Self.userPage)
    guest.read(Self.userPage + 0x1000)
    guest.read(Self.kernelPage, user: false)
    guest.read(Self.userPage)
    guest.append(.interrupt, 0, size: 32)
    guest.read(Self.kernelPage, user: false)
    let counters = try run(guest).counters
    XCTAssertEqual(counters.baseSwitches, 4)
    XCTAssertEqual(counters.systemCallsReflected, 0)
    XCTAssertEqual(counters.exits, 2 + 1)
  }

  /// User pages are global, so nothing but Xen's own flush keeps the next process from them.
  func testALoadOfCR3DropsGlobalUserPages() throws {
    var guest = guest()
    let other: UInt64 = 0x70_0000
    guest.append(Operation(.table, other, size: 4), [0, 0, 0, 0, 0, 0, 0, 0])
    guest.read(Self.userPage)
    guest.cr3(other)
    guest.read(Self.userPage)
    let outcome = try run(guest)
    XCTAssertEqual(outcome.faults.map(\.va), [Self.userPage])
  }

  /// Adjustments that the guest reads back by itself (Xen, `adjust_guest_l1e` to `adjust_guest_l4e`).
  func testXenAdjustsEntries() {
    var attack = Attack { $0.hasTwoBases = true }
    let place = attack.frames[1].entryAddress(index: 3)
    let page = attack.frames[5].address.raw
    let kernel: UInt64 = 1 << 52
    for (asked, found) in [
      (0x3, kernel | 7), (7, 0x107), (0x103, kernel | 0x107), (kernel | 5, kernel | 5),
    ] as [(UInt64, UInt64)] {
      let result = attack.call(.mmuUpdate(.init(requests: [(place.raw, page | asked)])))
      XCTAssertEqual(result.value, 0)
      XCTAssertEqual(attack.machine.memory.read(place), page | found, String(asked, radix: 16))
    }
    let top = attack.frames[4].entryAddress(index: 1)
    _ = attack.call(.mmuUpdate(.init(requests: [(top.raw, attack.frames[3].address.raw | 3)])))
    XCTAssertEqual(attack.machine.memory.read(top), attack.frames[3].address.raw | 0x27)
    let hole = attack.frames[4].entryAddress(index: 256)
    let refused = attack.call(.mmuUpdate(.init(requests: [(hole.raw, attack.frames[3].address.raw | 7)])))
    XCTAssertEqual(refused.value, -22)
    XCTAssertNil(attack.backend.xen.violatedInvariant(attack.machine))
  }

  /// Xen does not let a guest go to user mode without tables for it (`do_iret`).
  func testUserModeNeedsABaseTable() throws {
    var attack = Attack { $0.hasTwoBases = true }
    attack.cpu.modeAccesses = GuestMode.kernel
    attack.backend.changed(.toUser, &attack.cpu, &attack.machine)
    XCTAssertEqual(attack.machine.counters.divergences, 1)
    // In ring 1 there is no such thing.
    var other = Attack()
    let call = Hypercall.MMUExtendedCall(number: 15, first: other.frames[4].address.raw)
    XCTAssertEqual(other.call(.mmuExtended([call], pages: .oneself)).value, -38)
  }
}
