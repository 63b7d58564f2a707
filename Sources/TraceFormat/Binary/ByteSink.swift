/// Appends numbers and strings to bytes.
extension [UInt8] {
  mutating func append<Number: FixedWidthInteger>(littleEndian number: Number) {
    var rest = number
    for _ in 0..<MemoryLayout<Number>.size {
      append(UInt8(truncatingIfNeeded: rest))
      rest = rest &>> 8
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
