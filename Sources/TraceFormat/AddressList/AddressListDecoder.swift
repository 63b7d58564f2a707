internal import Paging

/// Reads plain lists of addresses, a line each, as a process trace of one process: `ADDR`, a load, or `KIND,ADDR[,SIZE]`.
///
/// KIND is `r`, `w` or `x` in either case; ADDR hexadecimal with or without `0x`; SIZE decimal, in bytes, by default 8,
/// for an instruction 1. Blanks do for commas. `#` begins a comment; a first line of column names is left out.
struct AddressListDecoder: TraceDecoder {
  static var magic: [UInt8] { [] }

  private(set) var header = TraceHeader(guest: .process, notes: [.init(key: "source", value: "list")])
  private var lines = TextLines()
  private var next: UInt64 = 0
  private static let names: Set<String> = [
    "addr", "address", "va", "kind", "type", "op", "access", "rw", "size", "bytes", "length",
  ]

  static func recognises(_ start: [UInt8]) -> Bool {
    for line in start.split(separator: 0x0a) {
      let text = line.prefix { $0 != 0x23 }
      if text.allSatisfy({ TextWords.isBlank($0) }) { continue }
      let span = Array(text).span
      return isHeader(span) || (try? access(span)) != nil
    }
    return false
  }

  init(_ input: ByteInput) throws(TraceError) {
    _ = try input.require(TextLines.limit + 1)
    try lines.take(input) { (line, _) in Self.isHeader(line) }
  }

  mutating func read(into batch: inout OperationBatch, from input: ByteInput) throws(TraceError) -> Bool {
    batch.removeAll(first: next)
    while batch.hasRoom(for: 2) {
      let isLine = try lines.take(input) { (line, _) throws(TextSyntaxError) in
        guard let access = try Self.access(line) else { return true }
        if access.kind == .fetch {
          batch.appendFetch(access.address, bytes: UInt64(access.size))
        } else {
          batch.append(access)
        }
        return true
      }
      if !isLine { break }
    }
    next += UInt64(batch.count)
    return !batch.isEmpty
  }

  /// Nil for a line with nothing in it. A fetch's size is in bytes here.
  private static func access(_ line: Span<UInt8>) throws(TextSyntaxError) -> Operation? {
    let fields = fields(line)
    guard let first = fields.first else { return nil }
    guard fields.count > 1 else {
      guard let address = TextNumber.hexadecimal(line, first) else {
        throw TextSyntaxError(expected: "ADDR or KIND,ADDR[,SIZE] with a hexadecimal address", line, first)
      }
      return Operation(.load, address, size: 8, flags: .user)
    }
    guard first.count == 1, let kind = kind(line[first.lowerBound]) else {
      throw TextSyntaxError(expected: "r, w or x before the address", line, first)
    }
    guard let address = TextNumber.hexadecimal(line, fields[1]) else {
      throw TextSyntaxError(expected: "a hexadecimal address", line, fields[1])
    }
    var size: UInt64 = kind == .fetch ? 1 : 8
    if fields.count > 2 {
      guard let given = TextNumber.decimal(line, fields[2]), (1...65_535).contains(given) else {
        throw TextSyntaxError(expected: "a size from 1 to 65535", line, fields[2])
      }
      size = given
    }
    if fields.count > 3 { throw TextSyntaxError(expected: "the end of the line", line, fields[3]) }
    return Operation(kind, address, size: UInt16(size), flags: .user)
  }

  private static func kind(_ letter: UInt8) -> Operation.Kind? {
    switch letter | 0x20 {
    case 0x72: .load
    case 0x77: .store
    case 0x78: .fetch
    default: nil
    }
  }

  /// What stands between commas and blanks, five fields at the most.
  private static func fields(_ line: Span<UInt8>) -> [Range<Int>] {
    var fields: [Range<Int>] = []
    var start: Int?
    for index in 0...line.count where fields.count < 5 {
      let isField = index < line.count && line[index] != 0x2c && !TextWords.isBlank(line[index])
      if isField && start == nil { start = index }
      if !isField, let first = start {
        fields.append(first..<index)
        start = nil
      }
    }
    return fields
  }

  private static func isHeader(_ line: Span<UInt8>) -> Bool {
    let fields = fields(line)
    return !fields.isEmpty && fields.allSatisfy { names.contains(line.extracting($0).text?.lowercased() ?? "") }
  }
}
