/// The binary form, byte by byte. All numbers are little-endian.
///
/// ```
/// file    = start, section HEAD, section BLCK ..., section INDX ..., section DONE; nothing behind it
/// start   = 89 6d 65 6d 6c 61 62 0a ("\x89memlab\n"), u32 version = 1, u32 0
/// section = 0  u64  XXH64 (seed 0) of all that follows in the section
///           8  u32  tag: four letters
///          12  u32  count
///          16  u64  first
///          24  u32  lengths of the payload's three parts, in bytes: A
///          28  u32  B
///          32  u32  C
///          36  u32  0
///          40  the payload: A + B + C bytes, at most 2^20
/// ```
///
/// | tag | count | first | payload |
/// |---|---|---|---|
/// | HEAD | notes | 0 | A: guest (u8: 0 recorded, 1 scenario, 2 process), then of each note key and value, as strings |
/// | BLCK | operations, 1…4096 | number of the first one | A: codes, B: details, C: deltas |
/// | INDX | blocks, 1…32768 | number of the first block | A: of each block u64 offset of the section, u64 its `first` |
/// | DONE | 0 | operations | A: u64 offset of the first INDX (of itself if there is none), u64 number of blocks |
///
/// A string is a varint of its length and UTF-8. A varint has seven bits a byte, the lowest first, bit 7 set in all but
/// the last byte, at most ten bytes. A signed varint holds a signed number as (n << 1) ^ (n >> 63).
///
/// **Blocks** are independent of each other. A block ends where a batch of 4096 operations or 32768 payload words is
/// full, or where B reaches 2^18 bytes: the same operations always give the same bytes. Decoding needs:
///
/// - `follow`: 1024 addresses; `context`: an index into it. `follow[context]` is the address that came last time after
///   what came just now. Each access stores its address there; then a fetch sets `context` to the top 10 bits of
///   address × 9e3779b97f4a7c15 modulo 2^64, a load or store adds 1 to it (modulo 1024).
/// - six `recent` data addresses, the last fetch's address `fetched`, and the mode, user or supervisor.
///
/// All begin as 0 (supervisor mode). Each byte of A, a code, is one of:
///
/// ```
/// 0...167    load or store: 84 × (0 load, 1 store) + 21 × log2 size (0...3) + form; the address is
///            form 0 to 2    follow[context] + a delta of 0, 1 or 2 bytes
///            form 3 + 3 × r + l    recent[r] + a delta of 1, 2 or 4 bytes (l = 0, 1, 2); sets recent[r]
/// 168...247  fetch: 168 + 4 × instructions (0...19) + form; sets `fetched`; the address is
///            form 0         follow[context]
///            form 1 to 3    `fetched` + a delta of 1, 2 or 4 bytes
/// 248        the mode changes; no operation
/// 249        an access that no code above fits, from B: u8 kind (0 load, 1 store, 2 fetch) + 4 × r (0...5), varint
///            size, signed varint address; sets recent[r], or `fetched`
/// 250        another operation, from B
/// ```
///
/// Deltas are signed and lie in C in the order of the codes. Another operation is, in B: u8 kind modulo 32 (as in
/// ``Operation/Kind``, from 0) + 32 × user + 64 × hasPayload + 128 × (kind ≥ 32), then, as far as its kind has them (``OperationLayout``): address
/// (signed varint: the difference to the one before in the block's B), size (varint), payload words (each a signed
/// varint: the difference to the previous operation's first or second word; a table's: 8 words of bit map as varints,
/// then the entries, each the difference to the one before), string.
enum BinaryLayout {
  static let magic: [UInt8] = [0x89] + Array("memlab\n".utf8)
  static var version: UInt32 { 1 }
  static var startLength: Int { 16 }
  static var sectionHeaderLength: Int { 40 }
  static var payloadLimit: Int { 1 << 20 }
  /// A block ends when its details have grown to this size.
  static var detailLimit: Int { 1 << 18 }
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
    case index = 0x5844_4e49
    case done = 0x454e_4f44
  }
}
