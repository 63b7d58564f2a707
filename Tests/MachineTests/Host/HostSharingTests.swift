import Paging
import XCTest

@testable import Machine

/// Pages that hold the same share a frame, until one is stored to.
final class HostSharingTests: XCTestCase {
  private static let modes: [Mode] = [.nested, .shadow, .emulatedTLB]

  /// So many pages whose contents the trace names, and then something else.
  private func guest(_ tags: [UInt64], then more: (inout Guest) -> Void = { _ in }) -> Guest {
    var guest = Guest()
    for page in tags.indices { guest.map(Self.address(page), to: 0x100_0000 + UInt64(page) << 12) }
    guest.boot()
    for (page, tag) in tags.enumerated() {
      guest.write(Self.address(page))
      guest.append(Operation(.content, 0x100_0000 + UInt64(page) << 12), [tag])
    }
    more(&guest)
    return guest
  }

  private static func address(_ page: Int) -> UInt64 { 0x40_0000 + UInt64(page) << 12 }

  private func run(_ guests: [Guest], _ mode: Mode, scanned: Int = 200) -> HostRun {
    var settings = HostSettings(memory: 8 << 20)
    settings.scannedPages = scanned
    var run = HostRun(members: guests.map { HostRun.Member(guest: $0, mode: mode) }, settings: settings)
    run.quantum = 50
    return run
  }

  private func idle(_ count: Int) -> (inout Guest) -> Void {
    { guest in for _ in 0..<count { guest.read(Self.address(0)) } }
  }

  /// Two guests with the same twenty pages, of which two are alike, and one page of its own each.
  func testEqualPagesShareAFrame() throws {
    let tags = (0..<20).map { UInt64($0 / 2 + 1) }
    for mode in Self.modes {
      var found = (pages: 0, frames: 0)
      let outcomes = try run([guest(tags + [100], then: idle(400)), guest(tags + [200], then: idle(400))], mode)
        .outcomes { host, _ in
          if let problem = host.violatedInvariant() { throw HostProblem(description: problem) }
          found = host.sharing
        }
      XCTAssertEqual(found.pages, 40, "\(mode)")
      XCTAssertEqual(found.frames, 10, "\(mode)")
      for outcome in outcomes {
        // Four tables are beside them, which are never shared.
        XCTAssertEqual(outcome.counters.hostMapped, 25)
        XCTAssertEqual(outcome.counters.hostShared, 20)
        XCTAssertEqual(outcome.counters.hostShareBreaks, 0)
        XCTAssertEqual(outcome.divergences.count, 0)
      }
      XCTAssertEqual(outcomes.map(\.counters.hostMerges).reduce(0, +), 30)
    }
  }

  /// A store gives the page a frame of its own, by one fault, and the others keep theirs.
  func testStoreBreaksSharing() throws {
    for mode in Self.modes {
      let first = guest([1, 2, 3]) { guest in
        for _ in 0..<400 { guest.read(Self.address(1)) }
        guest.write(Self.address(0))
        guest.write(Self.address(0))
        // The page holds something else now.
        for _ in 0..<400 { guest.read(Self.address(1)) }
      }
      var found = (pages: 0, frames: 0)
      let outcomes = try run([first, guest([1, 2, 3], then: idle(900))], mode).outcomes { host, _ in
        if let problem = host.violatedInvariant() { throw HostProblem(description: problem) }
        found = host.sharing
      }
      XCTAssertEqual(outcomes[0].counters.hostShareBreaks, 1, "\(mode)")
      XCTAssertEqual(outcomes[0].counters.traceFaultsCopyOnWrite, 1)
      XCTAssertEqual(outcomes[1].counters.hostShareBreaks, 0)
      XCTAssertEqual(found.pages, 5)
      XCTAssertEqual(found.frames, 3, "one has only the other's page left")
    }
  }

  /// A page that was stored to holds what no other does, whatever it held; without scans nothing is shared, and `content` is
  /// refused.
  func testOnlyWhatIsKnownIsShared() throws {
    for mode in Self.modes {
      let changed = guest([1, 2, 3]) { guest in
        for page in 0..<3 { guest.write(Self.address(page)) }
        for _ in 0..<400 { guest.read(Self.address(1)) }
      }
      var shared = 0
      _ = try run([changed, changed], mode).outcomes { host, _ in shared = max(shared, host.sharing.pages) }
      XCTAssertEqual(shared, 0, "\(mode)")
    }
    XCTAssertThrowsError(try run([guest([1])], .nested, scanned: 0).outcomes())
  }

  /// A page that becomes a table, or whose table the trace tells, has a frame of its own.
  func testTablesAreNotShared() throws {
    for mode in Self.modes {
      let page: UInt64 = 0x100_0000
      let maker = guest([1, 2]) { guest in
        for _ in 0..<200 { guest.read(Self.address(1)) }
        guest.setTable(page, level: 1)
        guest.set(0x100_1000 | EntryFlags.readWriteUser.rawValue, at: page)
        guest.announce(page)
        for _ in 0..<200 { guest.read(Self.address(1)) }
      }
      var found = (pages: 0, frames: 0)
      let outcomes = try run([maker, guest([1, 2], then: idle(500))], mode).outcomes { host, _ in
        if let problem = host.violatedInvariant() { throw HostProblem(description: problem) }
        found = host.sharing
      }
      XCTAssertEqual(outcomes[0].counters.hostShareBreaks, 1, "\(mode)")
      XCTAssertEqual(found.pages, 3)
      XCTAssertEqual(outcomes[1].counters.hostShareBreaks, 0)
    }
  }

  /// Pages of different images' files differ though they have the same numbers; those of one image are shared.
  func testFilesAreThoseOfAnImage() throws {
    var guest = Guest()
    guest.append(Operation(.map, 0x10_0000, size: 4 | 8), [64 << 12])
    for page in 0..<64 as Range<UInt64> { guest.read(0x10_0000 + page << 12) }
    for _ in 0..<300 { guest.read(0x10_0000) }
    for (images, expected) in [(["a", "a"], 64), (["a", "b"], 0)] {
      var settings = HostSettings(memory: 8 << 20)
      settings.scannedPages = 400
      var run = HostRun(members: [], settings: settings)
      run.quantum = 50
      for image in images {
        var member = HostRun.Member(guest: guest, mode: .shadow, kind: .process)
        member.machine.image = image
        member.machine.size = 4 << 20
        run.members.append(member)
      }
      var pages = 0
      let outcomes = try run.outcomes { host, _ in pages = host.sharing.pages }
      XCTAssertEqual(outcomes.map(\.divergences.count), [0, 0])
      XCTAssertGreaterThanOrEqual(pages, 2 * expected)
      // Beside the file's there are pages of zeros.
      XCTAssertLessThan(pages, 2 * expected + 10)
    }
  }
}
