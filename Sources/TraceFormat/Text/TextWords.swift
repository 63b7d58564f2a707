/// Takes the words of a line of text, one after the other.
struct TextWords {
  private(set) var offset: Int
  private let end: Int

  init(from offset: Int, to end: Int) {
    self.offset = offset
    self.end = end
  }

  /// The next word, nil at the end.
  mutating func next(_ line: Span<UInt8>) -> Range<Int>? {
    while offset < end && Self.isBlank(line[offset]) { offset += 1 }
    guard offset < end else { return nil }
    let start = offset
    while offset < end && !Self.isBlank(line[offset]) { offset += 1 }
    return start..<offset
  }

  static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d }
}

/// Numbers in text; nil if the word is no such number or does not fit in 64 bits.
enum TextNumber {
  /// Hexadecimal, with or without `0x`.
  static func hexadecimal(_ line: Span<UInt8>, _ word: Range<Int>) -> UInt64? {
    let start = hasPrefix(line, word) ? word.lowerBound + 2 : word.lowerBound
    guard start < word.upperBound else { return nil }
    var result: UInt64 = 0
    for index in start..<word.upperBound {
      guard let digit = digit(line[index]), result >> 60 == 0 else { return nil }
      result = result << 4 | digit
    }
    return result
  }

  static func decimal(_ line: Span<UInt8>, _ word: Range<Int>) -> UInt64? {
    guard !word.isEmpty else { return nil }
    var result: UInt64 = 0
    for index in word {
      guard let digit = digit(line[index]), digit < 10 else { return nil }
      let (product, overflow) = result.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(digit)
      guard !overflow && !carry else { return nil }
      result = sum
    }
    return result
  }

  /// Decimal, or hexadecimal with `0x`; then perhaps K, M or G (powers of 1024).
  static func bytes(_ line: Span<UInt8>, _ word: Range<Int>) -> UInt64? {
    let units: [UInt8: UInt64] = [0x4b: 1 << 10, 0x4d: 1 << 20, 0x47: 1 << 30]
    let unit = word.last.flatMap { units[line[$0]] }
    let digits = unit == nil ? word : word.lowerBound..<(word.upperBound - 1)
    guard let number = hasPrefix(line, digits) ? hexadecimal(line, digits) : decimal(line, digits) else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: unit ?? 1)
    return overflow ? nil : product
  }

  private static func hasPrefix(_ line: Span<UInt8>, _ word: Range<Int>) -> Bool {
    word.count >= 2 && line[word.lowerBound] == 0x30 && line[word.lowerBound + 1] | 0x20 == 0x78
  }

  private static func digit(_ byte: UInt8) -> UInt64? {
    switch byte {
    case 0x30...0x39: UInt64(byte - 0x30)
    case 0x41...0x46: UInt64(byte - 0x37)
    case 0x61...0x66: UInt64(byte - 0x57)
    default: nil
    }
  }
}
