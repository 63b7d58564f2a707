/// The binary form, byte by byte. All numbers are little-endian.
///
/// ```
/// file    = start, section HEAD, section SPAN ..., section INDX ..., section DONE; nothing behind it
/// start   = 89 6d 65 6d 6c 61 62 0a ("\x89memlab\n"), u32 version = 2, u32 0
/// section = 0  u64  XXH64 (seed 0) of all that follows in the section
///           8  u32  tag: four letters
///          12  u32  count
///          16  u64  first
///          24  u32  lengths of the payload's four parts, in bytes: A
///          28  u32  B
///          32  u32  C
///          36  u32  D
///          40  the payload: A + B + C + D bytes, at most 2^20
/// ```
///
/// | tag | count | first | payload |
/// |---|---|---|---|
/// | HEAD | notes | 0 | A: guest (u8: 0 recorded, 1 scenario, 2 process), then of each note key and value, as strings |
/// | SPAN | operations, 1…262144 | number of the first one | A: codes, B: details, C: deltas, D: copies |
/// | INDX | spans, 1…32768 | number of the first span | A: of each span u64 offset of the section, u64 its `first` |
/// | DONE | 0 | operations | A: u64 offset of the first INDX (of itself if there is none), u64 number of spans |
///
/// Version 1 has blocks (BLCK, ``BlockDecoder``) instead of spans, and is read, but no longer written.
///
/// A string is a varint of its length and UTF-8. A varint has seven bits a byte, the lowest first, bit 7 set in all but
/// the last byte, at most ten bytes. A signed varint holds a signed number as (n << 1) ^ (n >> 63).
///
/// **Spans** are independent of each other. A span consists of batches of 4096 operations; the last one may have fewer.
/// A batch ends early, and the span with it, where it has 32768 payload words or 2^16 bytes of strings; a span ends
/// with a batch, too, where its payload reaches 2^18 bytes: the same operations always give the same bytes. Decoding
/// needs seven `recent` data addresses, the last fetch's address `fetched`, the mode (user or supervisor), and the
/// `difference`. All begin as 0 (supervisor mode). Each byte of A, a code, is one of:
///
/// ```
/// 0...167    load or store: 84 × (0 load, 1 store) + 21 × log2 size (0...3) + 3 × r (0...6) + l (0, 1, 2): the address
///            is recent[r] + a delta of 1, 2 or 4 bytes; becomes recent[r]
/// 168...247  fetch: 168 + 4 × instructions (0...19) + l (0...3): the address is `fetched` + a delta of 1 + l bytes;
///            becomes `fetched`
/// 248        the mode changes; no operation
/// 249        an access that no code above fits, from B: u8 kind (0 load, 1 store, 2 fetch) + 4 × r (0...6), varint
///            size, signed varint address; becomes recent[r], or `fetched`
/// 250        another operation, from B
/// 251        a copy, from D
/// ```
///
/// Deltas are signed and lie in C in the order of the codes. Another operation is, in B: u8 kind (as in
/// ``Operation/Kind``, modulo 32) + 32 × user + 64 × hasPayload + 128 × (kind ≥ 32), then, as far as its kind has them
/// (``OperationLayout``): address (signed varint: the difference to the one before in the span's B), size (varint),
/// payload words (each a signed varint: the difference to the previous operation's first, second or last word; a table's:
/// 8 words of bit map as varints, then the entries, each the difference to the one before), string.
///
/// A **copy** says that accesses are like those some way back, but for some of the addresses: code that runs again. It is
/// u16 distance in operations (1…28672), then pieces, and each of them
///
/// ```
/// u8     bits 3...7: operations - 1; bit 2: this is the copy's last piece; bits 0...1: length of the delta
/// delta  0, 1, 2 or 4 bytes, signed: the new `difference`; without one it stays as it is
/// map    a bit for each operation, the lowest of the first byte is the first one's; unused ones are 0
/// ```
///
/// An operation of a piece is that which is `distance` operations before it in the span, itself perhaps one of the same
/// piece; the `difference` is added to its address (modulo 2^64) if its bit is set. Copies change neither `recent`, nor
/// `fetched`, nor the mode. A copy ends in the batch in which it begins, what a piece takes lies in one batch, and all
/// of it are accesses.
enum BinaryLayout {
  static let magic: [UInt8] = [0x89] + Array("memlab\n".utf8)
  static var version: UInt32 { 2 }
  static var startLength: Int { 16 }
  static var sectionHeaderLength: Int { 40 }
  static var payloadLimit: Int { 1 << 20 }
  /// Where a block ends, or what is read from text becomes a batch: bytes of details.
  static var detailLimit: Int { 1 << 18 }
  /// Most operations of a span.
  static var spanLimit: Int { 262_144 }
  /// A span ends with the batch in which its payload has grown to this size, in bytes.
  static var spanPayloadLimit: Int { 1 << 18 }
  /// A batch of a span ends when its strings have grown to so many bytes.
  static var spanStringLimit: Int { 1 << 16 }
  /// Copies can be told from the operations of the span in a window of so many, that of the current batch included: the
  /// distance is at most as much less.
  static var spanWindow: Int { 32_768 }
  static var distanceLimit: Int { spanWindow - 4096 }
  static var indexEntryLength: Int { 16 }
  static var indexLimit: Int { 32_768 }

  /// Longest string: a hypercall, or a note's key or value.
  static var stringLimit: Int { 60_000 }
  /// Most bytes of all notes together, and most notes.
  static var notesLimit: Int { 1 << 19 }
  static var noteCountLimit: Int { 1000 }

  enum Tag: UInt32 {
    case head = 0x4441_4548
    case block = 0x4b43_4c42
    case span = 0x4e41_5053
    case index = 0x5844_4e49
    case done = 0x454e_4f44
  }
}
