internal import Paging

/// What one code of a span (0…247, see ``BinaryLayout``) says about an access, ready for ``LiteralLoop``.
struct LiteralCode {
  /// The second half of the `Operation`: kind in bits 0…7, flags, still 0, in 8…15, size in 16…31, payload 0.
  var half: UInt64
  /// The bits of the delta, and the topmost of them.
  var mask: UInt64
  var sign: UInt64
  /// Index of the address that the delta is added to, and that becomes the new one.
  var slot: UInt32
  /// Length of the delta in bytes.
  var length: UInt32

  /// Data addresses that are remembered.
  static var recentCount: Int { 7 }
  /// Where the last fetch's address is, behind them.
  static var fetched: Int { 7 }
  static var slotCount: Int { 8 }

  static var dataForms: Int { 21 }
  static var fetchForms: Int { 4 }
  static var firstFetch: Int { 168 }
  static var fetchSizes: Int { 20 }
  static var modeChange: UInt8 { 248 }
  static var farAccess: UInt8 { 249 }
  static var other: UInt8 { 250 }
  static var copy: UInt8 { 251 }

  /// All of them, by code.
  static let all: [LiteralCode] = [.load, .store].flatMap(dataCodes) + (0..<fetchSizes).flatMap(fetchCodes)

  private static func dataCodes(_ kind: Operation.Kind) -> [LiteralCode] {
    (0..<4 * dataForms).map { code in
      let form = code % dataForms
      return LiteralCode(kind, 1 << UInt64(code / dataForms), slot: form / 3, length: 1 << (form % 3))
    }
  }

  private static func fetchCodes(_ size: Int) -> [LiteralCode] {
    (0..<fetchForms).map { LiteralCode(.fetch, UInt64(size), slot: fetched, length: $0 + 1) }
  }

  private init(_ kind: Operation.Kind, _ size: UInt64, slot: Int, length: Int) {
    half = UInt64(kind.rawValue) | size << 16
    mask = UInt64.max >> UInt64(64 - 8 * length)
    sign = mask ^ (mask >> 1)
    self.slot = UInt32(slot)
    self.length = UInt32(length)
  }
}
