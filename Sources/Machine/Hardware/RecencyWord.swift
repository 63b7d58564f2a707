/// The order of use of up to sixteen ways: a nibble for each way, that of the way used last in the lowest.
///
/// To use a way moves its nibble down past those used since, which is arithmetic on one word wherever it was: no branch
/// depends on it. The victim is the topmost nibble, and a new entry turns the word.
struct RecencyWord: BitwiseCopyable {
  /// What does not change: how many ways there are.
  struct Ways: BitwiseCopyable {
    /// The bit at which the oldest way's nibble begins.
    fileprivate let victimShift: UInt64
    /// All bits of the ways.
    fileprivate let mask: UInt64

    init(_ count: Int) {
      victimShift = UInt64(4 * (max(count, 1) - 1) & 63)
      mask = .max &>> (60 &- victimShift)
    }
  }

  fileprivate var raw: UInt64

  /// Before any way was used: the first ways filled are the last. With one way it is all zeroes, with more it never is,
  /// so that storage of zeroes can be told.
  static func untouched(_ ways: Ways) -> RecencyWord { RecencyWord(raw: 0xfedc_ba98_7654_3210 & ways.mask) }

  /// Storage of zeroes, and no order yet, unless there is but one way.
  @inline(__always) var isZero: Bool { raw == 0 }
}

extension RecencyWord {
  private static var nibbles: UInt64 { 0x1111_1111_1111_1111 }

  /// The bits up to a way's nibble, and those of it.
  @inline(__always) private func bits(upTo way: Int) -> UInt64 {
    let difference = raw ^ UInt64(truncatingIfNeeded: way) &* Self.nibbles
    // The top bit of each nibble that is 0, the lowest of them for certain (Warren, Hacker's Delight, 6-1).
    let zeroes = (difference &- Self.nibbles) & ~difference & (Self.nibbles &<< 3)
    return zeroes ^ (zeroes &- 1)
  }

  /// Makes a way the one used last.
  @inline(__always) mutating func use(_ way: Int) {
    let moved = bits(upTo: way)
    raw = raw & ~moved | (raw &<< 4) & moved | UInt64(truncatingIfNeeded: way)
  }

  /// Makes the way that was not used for the longest time the one used last; returns it.
  @inline(__always) mutating func turn(_ ways: Ways) -> Int {
    let way = raw &>> ways.victimShift & 15
    raw = (raw &<< 4 | way) & ways.mask
    return Int(truncatingIfNeeded: way)
  }

  /// Makes a way the one that was not used for the longest time.
  mutating func retire(_ way: Int, _ ways: Ways) {
    let newer = bits(upTo: way) &>> 4
    let oldest = UInt64(truncatingIfNeeded: way) &<< ways.victimShift
    raw = raw & newer | (raw &>> 4) & ~newer | oldest
  }
}
