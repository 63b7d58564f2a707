import Paging
import XCTest

@testable import Machine

/// Faults that a recording says came, and those that it does not.
final class RecordedFaultTests: XCTestCase {
  private let va: UInt64 = 0x40_0000

  /// A recorded fault's access is not in accesses, but is one translation; one that does not come, or that is
  /// not recorded, is a divergence.
  func testRecordedFaults() throws {
    for mode in Mode.allCases {
      var guest = Guest()
      guest.map(va, to: 0x5000)
      guest.boot()
      guest.read(va)
      guest.fault(0x1234_5678, 6)
      guest.read(va)
      let good = try guest.run(mode, as: .recorded)
      XCTAssertEqual(good.divergences, [], "\(mode)")
      XCTAssertEqual([good.counters.accesses, good.counters.translations, good.counters.trueFaults], [2, 3, 1])
      for (wrong, code) in [(va, UInt64(4)), (0x1234_5678, 7)] as [(UInt64, UInt64)] {
        var copy = guest
        copy.fault(wrong, code)
        XCTAssertEqual(try copy.run(mode, as: .recorded).counters.divergences, 1, "\(mode)")
      }
      guest.write(0x1234_5678)
      XCTAssertEqual(try guest.run(mode, as: .recorded).counters.divergences, 1, "\(mode)")
    }
  }
}
