import Paging
import XCTest

@testable import Machine

/// Memory traces that come and go while their pages are mapped, and the page that copy-on-write moves.
final class TraceInstallationTests: XCTestCase {
  private func run(_ guest: Guest, _ mode: Mode, _ settings: [String: String]) throws -> Outcome {
    var wanted = Settings()
    for (key, value) in settings { XCTAssertNil(wanted.set(key, to: value)) }
    let outcome = try guest.run(mode, on: .roomy, wanted, batch: 1)
    XCTAssertEqual(outcome.divergences, [], "\(mode) \(settings)")
    return outcome
  }

  /// A write trace that begins takes the write right from both mappings, and gives it back when it ends; the emulated
  /// TLB does not know where they are.
  func testWhatWasWithheldComesBack() throws {
    var guest = Guest()
    for va: UInt64 in [0x10000, 0x11000] {
      guest.map(va, to: 0x20_0000, [.present, .writable, .user, .accessed, .dirty])
    }
    guest.boot()
    for _ in 0..<3 {
      for va: UInt64 in [0x10000, 0x11000] {
        guest.write(va)
        guest.read(va)
      }
      guest.append(.mark)
    }
    for (mode, other) in [(Mode.shadow, UInt64(0)), (.nested, 0), (.emulatedTLB, 2)] {
      let keys = ["trace.when": "marks", "trace.frame-buffer": "200000+1000"]
      let counters = try run(guest, mode, keys).counters
      XCTAssertEqual([counters.hiddenTrace, counters.hiddenOther], [2, other], "\(mode)")
      if mode != .nested { XCTAssertEqual(counters.hiddenFill, 2, "\(mode)") }
      XCTAssertEqual(counters.traceFaultsFrameBuffer, 2, "\(mode)")
    }
  }

  /// A page that has got another frame: found both ways, and no longer in one piece with its neighbours.
  func testAPageMoves() {
    var physmap = Physmap(isIdentity: false)
    let (page, neighbour) = (PPN(0x40005), PPN(0x40200))
    let old = physmap.machine(page)
    XCTAssertTrue(physmap.isWhole(PPN(0x40000), .large))
    let new = physmap.move(page)
    XCTAssertNotEqual(new, old)
    XCTAssertEqual(physmap.machine(page), new)
    XCTAssertEqual(physmap.physical(new), page)
    XCTAssertNil(physmap.physical(old))
    XCTAssertEqual(physmap.physical(physmap.machine(neighbour)), neighbour)
    XCTAssertFalse(physmap.isWhole(PPN(0x40000), .large))
    XCTAssertFalse(physmap.isWhole(PPN(0x40000), .huge))
    XCTAssertTrue(physmap.isWhole(neighbour, .large))
    let third = physmap.move(page)
    XCTAssertEqual(physmap.physical(third), page)
    XCTAssertNil(physmap.physical(new))
  }
}
