internal import Paging

/// A line of lackey's that tells an access: `I  ADDR,SIZE`, ` L ADDR,SIZE`, ` S ADDR,SIZE`, ` M ADDR,SIZE`.
struct LackeyAccess {
  enum Kind { case instruction, load, store, modify }

  var kind: Kind
  var address: UInt64
  /// In bytes, 1 to 65,535.
  var size: UInt16
  /// Where the line's text ends.
  var end: Int

  /// The access that the bytes at `start` tell, nil if they tell none, or end before its last digit does.
  @inline(__always)
  init?(_ bytes: Span<UInt8>, at start: Int, digits: Span<UInt8>) {
    guard start &+ 6 <= bytes.count, bytes[start &+ 2] == 0x20 else { return nil }
    // The two bytes before: the letter of an instruction stands in the first column, that of data in the second.
    switch UInt16(bytes[start]) << 8 | UInt16(bytes[start &+ 1]) {
    case 0x4920: kind = .instruction
    case 0x204c: kind = .load
    case 0x2053: kind = .store
    case 0x204d: kind = .modify
    default: return nil
    }
    var index = start &+ 3
    address = 0
    let lastDigit = min(index &+ 16, bytes.count)
    while index < lastDigit {
      let digit = digits[Int(bytes[index])]
      if digit > 15 { break }
      address = address &<< 4 | UInt64(digit)
      index &+= 1
    }
    guard index > start &+ 3, index < bytes.count, bytes[index] == 0x2c else { return nil }
    index &+= 1
    let first = index
    var number = 0
    while index < bytes.count, number <= 65_535 {
      let digit = bytes[index] &- 0x30
      if digit > 9 { break }
      number = number &* 10 &+ Int(digit)
      index &+= 1
    }
    guard index > first, number >= 1, number <= 65_535 else { return nil }
    size = UInt16(number)
    end = index
  }

  /// The value of each byte as a hexadecimal digit, 255 if it is none.
  static let digits: [UInt8] = (0...255).map { byte in
    switch UInt8(byte) {
    case 0x30...0x39: UInt8(byte) - 0x30
    case 0x41...0x46: UInt8(byte) - 0x37
    case 0x61...0x66: UInt8(byte) - 0x57
    default: 255
    }
  }
}

extension OperationBatch {
  /// Adds what a line of lackey's tells. There must be room for two operations.
  @inline(__always)
  mutating func append(_ access: LackeyAccess) {
    switch access.kind {
    case .instruction: appendFetch(access.address, bytes: UInt64(access.size))
    case .load: append(Operation(.load, access.address, size: access.size, flags: .user))
    case .store: append(Operation(.store, access.address, size: access.size, flags: .user))
    case .modify:
      append(Operation(.load, access.address, size: access.size, flags: .user))
      append(Operation(.store, access.address, size: access.size, flags: .user))
    }
  }
}
