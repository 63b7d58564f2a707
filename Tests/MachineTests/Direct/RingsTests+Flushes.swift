import Paging
import XCTest

@testable import Machine

/// What follows a change of mode, and what must not be overlooked on the way (`direct.rings=3`).
final class RingsFlushTests: XCTestCase {
  private static let user: UInt64 = 0x10_0000

  private func settings(batch: Int = 1) -> Settings {
    var settings = Settings()
    settings.direct.hasTwoBases = true
    settings.direct.batch = batch
    return settings
  }

  private func guest() -> Guest {
    var guest = Guest()
    guest.map(Self.user, to: 0x40_0000)
    guest.map(Self.user + 0x1000, to: 0x41_0000)
    guest.boot()
    return guest
  }

  /// The loop's short way for runs of accesses to one page must not let the other mode's pass.
  func testARunOfAccessesToOnePageChangesModes() throws {
    var guest = guest()
    for isUser in [true, false, true, false] {
      for _ in 0..<3 { guest.read(Self.user, user: isUser) }
    }
    for checks in [true, false] {
      let counters = try guest.run(.direct, on: .roomy, settings(), checks: checks).counters
      XCTAssertEqual([counters.baseSwitches, counters.systemCallsReflected, counters.hypercalls], [4, 2, 2])
    }
  }

  /// Xen makes user pages global, so an INVPCID that leaves the guest's own global pages alone must drop these.
  func testINVPCIDDropsUserPages() throws {
    for type in [0, 1, 2, 3] as [UInt16] {
      var guest = guest()
      guest.read(Self.user)
      guest.store(0, at: guest.entry(Self.user))
      guest.invpcid(type, pcid: 0, va: Self.user)
      guest.read(Self.user)
      for mode in [Mode.native, .direct] {
        let outcome = try guest.run(mode, on: .roomy, settings(), batch: 1)
        XCTAssertEqual(outcome.faults.map(\.va), [Self.user], "type \(type) \(mode)")
        XCTAssertEqual(outcome.divergences, [])
      }
    }
  }

  /// The kernel asks for what it has queued before it lets user code run, even if that needs no walk.
  func testQueuedUpdatesComeBeforeTheReturnToUserCode() throws {
    var guest = guest()
    guest.read(Self.user)
    guest.store(0x42_0067, at: guest.entry(Self.user) + 16)
    guest.read(Self.user)
    let events = try guest.run(.direct, on: .roomy, settings(batch: 8)).events
    let names = events.filter { $0.kind == .hypercall }.map { String($0.cause.prefix { $0 != " " }) }
    XCTAssertEqual(names, ["iret", "mmu_update", "iret"])
  }
}
