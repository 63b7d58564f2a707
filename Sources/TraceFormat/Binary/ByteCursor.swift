/// Takes numbers and strings from bytes.
///
/// Where the bytes end too early or make no sense it gives 0, or an empty string, and ``isGood`` becomes false for
/// good: a caller may check once, at the end of what belongs together.
struct ByteCursor {
  private(set) var offset: Int
  private let end: Int
  private(set) var isGood = true

  /// Takes the bytes `offset..<end` of the span that every call is given.
  init(from offset: Int, to end: Int) {
    self.offset = offset
    self.end = end
  }

  var isAtEnd: Bool { offset == end }
  var remaining: Int { end - offset }

  mutating func byte(_ bytes: Span<UInt8>) -> UInt8 {
    guard offset < end else {
      isGood = false
      return 0
    }
    defer { offset += 1 }
    return bytes[offset]
  }

  mutating func number<Number: FixedWidthInteger>(_: Number.Type, _ bytes: Span<UInt8>) -> Number {
    var result: Number = 0
    for index in 0..<MemoryLayout<Number>.size { result |= Number(byte(bytes)) << Number(8 * index) }
    return result
  }

  mutating func varint(_ bytes: Span<UInt8>) -> UInt64 {
    // Most have one byte.
    if offset < end, bytes[offset] < 0x80 { return UInt64(byte(bytes)) }
    var result: UInt64 = 0
    for shift in stride(from: UInt64(0), through: 63, by: 7) {
      let next = byte(bytes)
      result |= UInt64(next & 0x7f) << shift
      guard next >= 0x80 else {
        // Of the tenth byte one bit counts, and no number has two spellings.
        if shift == 63 && next > 1 || shift > 0 && next == 0 { isGood = false }
        return result
      }
    }
    isGood = false
    return 0
  }

  mutating func signedVarint(_ bytes: Span<UInt8>) -> UInt64 {
    let number = varint(bytes)
    return number >> 1 ^ (0 &- (number & 1))
  }

  /// A string of at most `limit` bytes of UTF-8.
  mutating func string(_ bytes: Span<UInt8>, limit: Int) -> String {
    let length = varint(bytes)
    guard length <= UInt64(min(limit, remaining)) else {
      isGood = false
      return ""
    }
    let start = offset
    offset += Int(length)
    guard let string = String(validating: (start..<offset).map { bytes[$0] }, as: UTF8.self) else {
      isGood = false
      return ""
    }
    return string
  }
}
