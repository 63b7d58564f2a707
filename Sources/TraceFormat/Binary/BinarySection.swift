/// The header of a section of a binary trace (``BinaryLayout``).
struct BinarySection: Equatable {
  var tag: BinaryLayout.Tag
  var count: Int
  var first: UInt64
  /// Lengths in bytes of the payload's four parts.
  var lengths: (a: Int, b: Int, c: Int, d: Int)

  var payloadLength: Int { lengths.a + lengths.b + lengths.c + lengths.d }

  static func == (left: BinarySection, right: BinarySection) -> Bool {
    left.tag == right.tag && left.count == right.count && left.first == right.first && left.lengths == right.lengths
  }

  /// The whole section's bytes, checksum and payload included.
  static func bytes(
    _ tag: BinaryLayout.Tag, count: Int, first: UInt64, a: [UInt8], b: [UInt8] = [], c: [UInt8] = [],
    d: [UInt8] = []
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(BinaryLayout.sectionHeaderLength + a.count + b.count + c.count + d.count)
    bytes.append(littleEndian: tag.rawValue)
    bytes.append(littleEndian: UInt32(count))
    bytes.append(littleEndian: first)
    for part in [a, b, c, d] { bytes.append(littleEndian: UInt32(part.count)) }
    for part in [a, b, c, d] { bytes += part }
    var checksum: [UInt8] = []
    checksum.append(littleEndian: Checksum.of(bytes.span))
    return checksum + bytes
  }
}

extension ByteInput {
  /// Brings a whole section into the window and checks it, without taking it.
  ///
  /// - Parameter expected: what has to come, for the message.
  func requireSection(expected: String) throws(TraceError) -> BinarySection {
    let headerLength = BinaryLayout.sectionHeaderLength
    guard try require(headerLength) else { throw cutOff(expected: expected) }
    guard let section = withBytes({ BinarySection(header: $0) }), section.payloadLength <= BinaryLayout.payloadLimit
    else { throw badData("expected \(expected), found something else (the file is damaged)") }
    let length = headerLength + section.payloadLength
    guard try require(length) else { throw cutOff(expected: "\(length) bytes of a section at \(position)") }
    let (stored, computed) = withBytes { bytes in
      var cursor = ByteCursor(from: 0, to: 8)
      return (cursor.number(UInt64.self, bytes), Checksum.of(bytes.extracting(8..<length)))
    }
    guard stored == computed else {
      throw badData(
        "checksum is \(String(stored, radix: 16)), expected \(String(computed, radix: 16)) (the file is damaged)")
    }
    return section
  }
}

extension BinarySection {
  /// Reads a section's header; nil if it is none.
  init?(header bytes: Span<UInt8>) {
    var cursor = ByteCursor(from: 8, to: BinaryLayout.sectionHeaderLength)
    let tag = BinaryLayout.Tag(rawValue: cursor.number(UInt32.self, bytes))
    let count = cursor.number(UInt32.self, bytes)
    let first = cursor.number(UInt64.self, bytes)
    let a = cursor.number(UInt32.self, bytes)
    let b = cursor.number(UInt32.self, bytes)
    let c = cursor.number(UInt32.self, bytes)
    let d = cursor.number(UInt32.self, bytes)
    guard let tag else { return nil }
    self.init(tag: tag, count: Int(count), first: first, lengths: (Int(a), Int(b), Int(c), Int(d)))
  }
}
