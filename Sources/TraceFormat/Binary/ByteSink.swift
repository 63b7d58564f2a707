/// Appends numbers and strings to bytes.
extension [UInt8] {
  mutating func append<Number: FixedWidthInteger>(littleEndian number: Number) {
    var rest = number
    for _ in 0..<MemoryLayout<Number>.size {
      append(UInt8(truncatingIfNeeded: rest))
      rest = rest &>> 8
    }
  }

  /// The lowest `length` bytes.
  mutating func append(littleEndian number: UInt64, length: Int) {
    var rest = number
    for _ in 0..<length {
      append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  mutating func append(varint number: UInt64) {
    var rest = number
    while rest >= 0x80 {
      append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    append(UInt8(rest))
  }

  /// The bits are those of a signed number.
  mutating func append(signedVarint number: UInt64) {
    append(varint: number << 1 ^ UInt64(bitPattern: Int64(bitPattern: number) >> 63))
  }

  mutating func append(string: String) {
    append(varint: UInt64(string.utf8.count))
    append(contentsOf: string.utf8)
  }
}

extension UInt64 {
  /// Bytes, 1…8, that the number takes if its bits are those of a signed one.
  var signedLength: Int { (71 - (self ^ (self << 1) | 1).leadingZeroBitCount) / 8 }

  /// Logarithm of the bytes that it takes, rounded up to 1, 2, 4 or 8.
  var signedLengthLog: Int {
    self &+ 0x80 < 0x100 ? 0 : self &+ 0x8000 < 0x1_0000 ? 1 : self &+ 0x8000_0000 < 0x1_0000_0000 ? 2 : 3
  }
}
