/// One entry of a DynamoRIO memory trace (`trace_entry_t` of drmemtrace's `trace_entry.h`, for 64-bit programs): type and
/// size (2 bytes each) and an address or value (8), little-endian and packed.
struct DynamoRIOEntry {
  static var length: Int { 12 }

  /// What an entry is to memlab; the numbers are those of `trace_type_t`.
  enum Kind {
    case load, store, fetch
    /// Further instructions behind the one fetched last, their lengths in the address field.
    case bundle
    case process, header, footer
    /// Nothing that touches a page: prefetches and cache flushes, which never fault, threads, markers, encodings.
    case nothing
  }

  var type: UInt16
  var size: UInt16
  var value: UInt64

  var kind: Kind? {
    switch type {
    case 0: .load
    case 1: .store
    case 10...16, 31, 48, 49: .fetch
    case 17: .bundle
    case 24: .process
    case 25: .header
    case 26: .footer
    // 29: the further iterations of a string instruction, which are not fetched again.
    case 2...9, 18...23, 27...30, 32...47: .nothing
    default: nil
    }
  }

  init(_ bytes: Span<UInt8>, at offset: Int) {
    func number(_ range: Range<Int>) -> UInt64 {
      range.reversed().reduce(0) { $0 << 8 | UInt64(bytes[offset + $1]) }
    }
    type = UInt16(number(0..<2))
    size = UInt16(number(2..<4))
    value = number(4..<12)
  }
}
