import XCTest

@testable import TraceFormat

final class ChecksumTests: XCTestCase {
  /// Values of the reference program, `xxhsum -H64`.
  func testKnownValues() {
    XCTAssertEqual(Checksum.of([UInt8]().span), 0xef46_db37_51d8_e999)
    XCTAssertEqual(Checksum.of(Array("a".utf8).span), 0xd24e_c4f1_a98c_6e5b)
    XCTAssertEqual(Checksum.of(Array("abc".utf8).span), 0x44bc_2cf5_ad77_0999)
  }

  func testEveryBitCounts() {
    for length in [1, 4, 8, 31, 32, 33, 63, 100] {
      var bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 37) }
      let good = Checksum.of(bytes.span)
      for offset in bytes.indices {
        for bit in 0..<8 {
          bytes[offset] ^= 1 << bit
          XCTAssertNotEqual(Checksum.of(bytes.span), good)
          bytes[offset] ^= 1 << bit
        }
      }
    }
  }

  func testTheDecoderWritesOperationsAsTheyLie() { XCTAssertTrue(AccessLoop.matchesLayout) }
}
