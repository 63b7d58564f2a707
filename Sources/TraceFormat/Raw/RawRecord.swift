/// The head word of a record of a raw recording (`.mlt`, version 1), and what the recorder's numbers mean.
struct RawRecord {
  enum Kind: UInt8 {
    case read, write, fetch
    case tableStore, loadCR3, invlpg
    case table, exception, loadControl
    case mark, tableGone, cpu
  }

  /// `MMLTRC01`, read as bytes.
  static let magic: [UInt8] = Array("MMLTRC01".utf8)
  /// Words of the file's header.
  static var headerWords: Int { 8 }
  /// Words of a table's bit map of non-zero entries.
  static var bitmapWords: Int { 8 }

  var head: UInt64

  /// Nil for a number that version 1 does not have.
  var kind: Kind? { Kind(rawValue: UInt8(head >> 60)) }
  var isUser: Bool { head >> 59 & 1 != 0 }
  var aux: UInt16 { UInt16(truncatingIfNeeded: head >> 48 & 0x7ff) }
  var physical: UInt64 { head & 0xffff_ffff_ffff }
  /// Sign-extended from bit 47.
  var virtual: UInt64 { UInt64(bitPattern: Int64(bitPattern: head << 16) >> 16) }
}
