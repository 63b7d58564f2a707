/// XXH64 (Yann Collet's xxHash, 64 bits) with seed 0: several times as fast as a CRC by tables, and a change of any
/// single bit always changes it, since each step is a bijection of what it mixes in.
struct Checksum {
  private static var prime1: UInt64 { 0x9e37_79b1_85eb_ca87 }
  private static var prime2: UInt64 { 0xc2b2_ae3d_27d4_eb4f }
  private static var prime3: UInt64 { 0x1656_67b1_9e37_79f9 }
  private static var prime4: UInt64 { 0x85eb_ca77_c2b2_ae63 }
  private static var prime5: UInt64 { 0x27d4_eb2f_1656_67c5 }

  /// The checksum of some bytes.
  static func of(_ bytes: RawSpan) -> UInt64 {
    var offset = 0
    var hash = bytes.byteCount >= 32 ? lanes(bytes, &offset) : prime5
    hash &+= UInt64(bytes.byteCount)
    while offset + 8 <= bytes.byteCount {
      hash = rotate(hash ^ round(0, word(bytes, offset)), 27) &* prime1 &+ prime4
      offset += 8
    }
    if offset + 4 <= bytes.byteCount {
      hash = rotate(hash ^ (UInt64(half(bytes, offset)) &* prime1), 23) &* prime2 &+ prime3
      offset += 4
    }
    while offset < bytes.byteCount {
      hash = rotate(hash ^ (UInt64(byte(bytes, offset)) &* prime5), 11) &* prime1
      offset += 1
    }
    hash = (hash ^ (hash >> 33)) &* prime2
    hash = (hash ^ (hash >> 29)) &* prime3
    return hash ^ (hash >> 32)
  }

  static func of(_ bytes: Span<UInt8>) -> UInt64 { unsafe of(bytes.bytes) }

  /// The part that takes 32 bytes at a time; `offset` ends behind the last of them.
  private static func lanes(_ bytes: RawSpan, _ offset: inout Int) -> UInt64 {
    var (a, b, c, d) = (prime1 &+ prime2, prime2, UInt64(0), 0 &- prime1)
    while offset + 32 <= bytes.byteCount {
      a = round(a, word(bytes, offset))
      b = round(b, word(bytes, offset + 8))
      c = round(c, word(bytes, offset + 16))
      d = round(d, word(bytes, offset + 24))
      offset += 32
    }
    var hash = rotate(a, 1) &+ rotate(b, 7) &+ rotate(c, 12) &+ rotate(d, 18)
    for lane in [a, b, c, d] { hash = (hash ^ round(0, lane)) &* prime1 &+ prime4 }
    return hash
  }

  private static func round(_ lane: UInt64, _ input: UInt64) -> UInt64 {
    rotate(lane &+ input &* prime2, 31) &* prime1
  }

  private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 { value &<< count | value &>> (64 - count) }

  // SAFETY (all three): RawSpan checks the bounds, and every bit pattern is a valid number.
  private static func word(_ bytes: RawSpan, _ offset: Int) -> UInt64 {
    unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
  }
  private static func half(_ bytes: RawSpan, _ offset: Int) -> UInt32 {
    unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self)
  }
  private static func byte(_ bytes: RawSpan, _ offset: Int) -> UInt8 {
    unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
  }
}
