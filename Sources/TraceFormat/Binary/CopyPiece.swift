/// What the first byte of a piece of a copy says (``BinaryLayout``), ready for ``CopyLoop``.
struct CopyPiece {
  /// Operations.
  var length: UInt8
  /// Bytes of the whole piece.
  var advance: UInt8
  /// Where the map begins: behind the delta.
  var map: UInt8
  /// Bits of 64 that the delta leaves unused; without one all of the old difference is kept.
  var unused: UInt8
  /// All ones, or 0 if there is a delta.
  var keep: UInt64

  /// Operations at the most.
  static var limit: Int { 32 }
  /// Set in the first byte of a copy's last piece.
  static var last: UInt8 { 4 }

  /// By first byte.
  static let all = (UInt8.min...UInt8.max).map { CopyPiece(first: $0) }

  private init(first: UInt8) {
    let delta = (UInt8(1) << (first & 3)) >> 1
    length = first >> 3 + 1
    map = 1 + delta
    advance = map + (length + 7) / 8
    unused = delta == 0 ? 0 : 64 - 8 * delta
    keep = delta == 0 ? .max : 0
  }

  /// What four bits of a map, as a number, take of the difference: four vectors of all or nothing to be added to the
  /// address, and nothing to be added to the rest of an operation.
  static let masks = (0..<16 as Range<UInt64>).flatMap { bits in
    (0..<4 as Range<UInt64>).map { SIMD2<UInt64>(0 &- (bits >> $0 & 1), 0) }
  }
}
