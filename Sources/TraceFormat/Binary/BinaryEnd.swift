/// The DONE section of a binary trace (``BinaryLayout``).
struct BinaryEnd: Equatable {
  static var length: Int { BinaryLayout.sectionHeaderLength + 16 }

  /// Number of operations in the trace.
  var operations: UInt64
  /// Offset of the index; without one, of this section.
  var indexOffset: UInt64
  /// Number of spans, or blocks.
  var units: UInt64
}

extension BinaryEnd {
  var binarySection: [UInt8] {
    var payload: [UInt8] = []
    payload.append(littleEndian: indexOffset)
    payload.append(littleEndian: units)
    return BinarySection.bytes(.done, count: 0, first: operations, a: payload)
  }

  /// Reads the section at the window's start, of which the checksum is good; nil if it is another.
  init?(_ section: BinarySection, _ bytes: Span<UInt8>) {
    guard section.tag == .done, section.count == 0, section.lengths == (16, 0, 0, 0) else { return nil }
    var cursor = ByteCursor(from: BinaryLayout.sectionHeaderLength, to: Self.length)
    operations = section.first
    indexOffset = cursor.number(UInt64.self, bytes)
    units = cursor.number(UInt64.self, bytes)
  }
}
