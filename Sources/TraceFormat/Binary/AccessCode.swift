internal import Paging

/// What one code of a block (0…247, see ``BlockDecoder``) says about an access, ready for the decoder's loop,
/// which does the same few loads and stores for each of them, without a branch. The codes' numbers are those of
/// ``LiteralCode``.
struct AccessCode {
  /// The second half of the `Operation`: kind in bits 0…7, flags, still 0, in 8…15, size in 16…31, payload 0.
  var half: UInt64
  /// The bits of the delta, and the topmost of them.
  var mask: UInt64
  var sign: UInt64
  /// The base address's index in ``AddressContext``; `contextMask` of the context is added: all of it or nothing.
  var base: UInt16
  var contextMask: UInt16
  /// Where the address goes, besides `follow`.
  var target: UInt16
  /// Length of the delta in bytes.
  var length: UInt16

  /// All of them, by code.
  static let all: [AccessCode] =
    [Operation.Kind.load, .store].flatMap { kind in
      (0..<4).flatMap { log in (0..<LiteralCode.dataForms).map { data(kind, size: 1 << log, form: $0) } }
    }
    + (0..<LiteralCode.fetchSizes).flatMap { size in
      (0..<LiteralCode.fetchForms).map { fetch(size: UInt16(size), form: $0) }
    }

  private static func data(_ kind: Operation.Kind, size: UInt16, form: Int) -> AccessCode {
    guard form >= 3 else { return AccessCode(kind, size, from: nil, to: AddressContext.nowhere, length: form) }
    let slot = AddressContext.recent + (form - 3) / 3
    return AccessCode(kind, size, from: slot, to: slot, length: 1 << ((form - 3) % 3))
  }

  private static func fetch(size: UInt16, form: Int) -> AccessCode {
    let fetched = AddressContext.fetched
    return form == 0
      ? AccessCode(.fetch, size, from: nil, to: fetched, length: 0)
      : AccessCode(.fetch, size, from: fetched, to: fetched, length: 1 << (form - 1))
  }

  /// `base` nil stands for `follow[context]`.
  private init(_ kind: Operation.Kind, _ size: UInt16, from base: Int?, to target: Int, length: Int) {
    half = UInt64(kind.rawValue) | UInt64(size) << 16
    mask = length == 0 ? 0 : UInt64.max >> UInt64(64 - 8 * length)
    sign = mask ^ (mask >> 1)
    self.base = UInt16(base ?? 0)
    contextMask = base == nil ? UInt16(AddressContext.followCount - 1) : 0
    self.target = UInt16(target)
    self.length = UInt16(length)
  }
}
