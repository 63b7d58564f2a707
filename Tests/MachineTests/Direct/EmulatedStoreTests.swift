import Paging
import XCTest

@testable import Machine

/// Plain stores that direct paging's hardware refuses and the guest may make: whose they are decides.
final class EmulatedStoreTests: XCTestCase {
  private static let data: UInt64 = 0x10_0000
  /// The table that maps `data`, for everybody.
  private static let window: UInt64 = 0x20_0000
  private static let readOnly: UInt64 = 0x30_0000

  private func guest(_ cr4: UInt64 = CR4.pae) -> Guest {
    var guest = Guest()
    guest.map(Self.data, to: 0x40_0000)
    guest.map(Self.window, to: guest.entry(Self.data) & ~0xfff)
    guest.map(Self.readOnly, to: 0x41_0000, .readUser)
    guest.boot(cr4: cr4)
    guest.read(Self.data)
    return guest
  }

  private func run(
    _ guest: Guest, _ mode: Mode = .direct, stores: DirectSettings.Stores = .emulate, mayCross: Bool = true
  ) throws -> Outcome {
    var settings = Settings()
    settings.direct.stores = stores
    settings.guestAlignmentCheck = mayCross
    return try guest.run(mode, on: .roomy, settings, batch: 1)
  }

  /// With CR4.SMAP and AC clear a kernel may not store to a user's page, whatever lies there.
  func testSMAPHoldsForStoresToTables() throws {
    for mayCross in [true, false] {
      var guest = guest(CR4.pae | CR4.smap)
      guest.write(Self.window + 0x800, user: false)
      let outcome = try run(guest, mayCross: mayCross)
      XCTAssertEqual(outcome.faults, try run(guest, .native, mayCross: mayCross).faults)
      XCTAssertEqual(outcome.faults.map(\.code), mayCross ? [] : [3])
      XCTAssertEqual(outcome.hidden, mayCross ? ["trace"] : [])
    }
  }

  /// With CR0.WP clear the guest's kernel may store to read-only pages; the hardware has it set.
  func testStoresThatCR0WPAllows() throws {
    for isProtected in [true, false] {
      var guest = guest()
      if !isProtected { guest.append(.loadCR0, ControlRegisters.initial.cr0 & ~CR0.writeProtect) }
      guest.write(Self.readOnly, user: false)
      guest.write(Self.readOnly)
      let outcome = try run(guest)
      XCTAssertEqual(outcome.faults, try run(guest, .native).faults)
      XCTAssertEqual(outcome.faults.map(\.code), isProtected ? [3, 7] : [7])
      XCTAssertEqual(outcome.hidden, isProtected ? [] : ["other"])
    }
  }

  /// Xen lets go of a table for the kernel alone: a user's store is emulated.
  func testAUserStoreDetachesNothing() throws {
    var guest = guest()
    guest.write(Self.window + 0x800)
    let counters = try run(guest, stores: .detach).counters
    XCTAssertEqual([counters.tablesDetached, counters.hiddenTrace], [0, 1])
    guest.write(Self.window + 0x800, user: false)
    XCTAssertEqual(try run(guest, stores: .detach).counters.tablesDetached, 1, "which the kernel's does")
  }
}
