extension CSV {
  /// Why some text is no table.
  public struct ReadingError: Error, Hashable, Sendable {
    /// The line on which it was found, the first being 1.
    public var line: Int
    /// What is wrong and what was expected.
    public var message: String
  }

  /// The records of a table, each with as many fields as the first: RFC 4180, with a line feed, or CR and line feed,
  /// behind each record. A last record without a line end counts.
  public static func records(_ text: String) throws(ReadingError) -> [[String]] {
    var reader = Reader(bytes: Array(text.utf8))
    var records: [[String]] = []
    while let record = try reader.record() {
      if let first = records.first, first.count != record.count {
        throw ReadingError(
          line: reader.recordLine, message: "\(record.count) fields, expected \(first.count) as in the header")
      }
      records.append(record)
    }
    return records
  }

  private struct Reader {
    let bytes: [UInt8]
    var position = 0
    var line = 1
    var recordLine = 1

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func record() throws(ReadingError) -> [String]? {
      guard position < bytes.count else { return nil }
      recordLine = line
      var fields: [String] = []
      while true {
        fields.append(try field())
        guard position < bytes.count else { return fields }
        let separator = bytes[position]
        position += 1
        if separator == UInt8(ascii: ",") { continue }
        line += 1
        return fields
      }
    }

    /// A field; what is left begins with its comma or line feed.
    private mutating func field() throws(ReadingError) -> String {
      if position < bytes.count && bytes[position] == UInt8(ascii: "\"") { return try quotedField() }
      let start = position
      while position < bytes.count && bytes[position] != UInt8(ascii: ",") && bytes[position] != UInt8(ascii: "\n") {
        position += 1
      }
      var end = position
      let endsLine = position == bytes.count || bytes[position] == UInt8(ascii: "\n")
      if endsLine && end > start && bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
      return String(decoding: bytes[start..<end], as: UTF8.self)
    }

    private mutating func quotedField() throws(ReadingError) -> String {
      var content: [UInt8] = []
      position += 1
      while position < bytes.count {
        let byte = bytes[position]
        position += 1
        if byte == UInt8(ascii: "\n") { line += 1 }
        if byte != UInt8(ascii: "\"") {
          content.append(byte)
        } else if position < bytes.count && bytes[position] == UInt8(ascii: "\"") {
          content.append(byte)
          position += 1
        } else {
          try endOfQuotedField()
          return String(decoding: content, as: UTF8.self)
        }
      }
      throw ReadingError(line: recordLine, message: "a quoted field without its end")
    }

    private mutating func endOfQuotedField() throws(ReadingError) {
      if position < bytes.count && bytes[position] == UInt8(ascii: "\r") { position += 1 }
      guard position == bytes.count || [UInt8(ascii: ","), UInt8(ascii: "\n")].contains(bytes[position]) else {
        throw ReadingError(line: line, message: "text behind a quoted field, expected a comma or the line's end")
      }
    }
  }
}
