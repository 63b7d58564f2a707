/// Reads JSON as RFC 8259 has it. Ours, because a file of one's own wants to hear in which line it goes wrong.
struct JSONParser {
  struct Problem: Error {
    var line: Int
    var column: Int
    var message: String
  }

  /// Deeper nesting than any machine has; a guard of the stack.
  private static let deepest = 32

  private let text: [UInt8]
  private var position = 0

  /// The value that makes up the whole text.
  static func value(of text: [UInt8]) throws(Problem) -> JSONValue {
    var parser = JSONParser(text: text)
    let value = try parser.value(depth: 0)
    if parser.next() != nil { throw parser.problem("expected the end of the file") }
    return value
  }

  private init(text: [UInt8]) {
    self.text = text
  }

  /// The next byte that is not white space.
  private mutating func next() -> UInt8? {
    while position < text.count, [0x20, 0x09, 0x0a, 0x0d].contains(text[position]) { position += 1 }
    return position < text.count ? text[position] : nil
  }

  private mutating func value(depth: Int) throws(Problem) -> JSONValue {
    if depth > Self.deepest { throw problem("nested too deeply") }
    switch next() {
    case UInt8(ascii: "{"): return .object(try object(depth: depth))
    case UInt8(ascii: "["): return .array(try array(depth: depth))
    case UInt8(ascii: "\""): return .string(try string())
    case .some: return try word()
    case nil: throw problem("the file ends where a value was expected")
    }
  }

  private mutating func object(depth: Int) throws(Problem) -> [String: JSONValue] {
    var members: [String: JSONValue] = [:]
    position += 1
    if try closes("}") { return members }
    repeat {
      guard next() == UInt8(ascii: "\"") else { throw problem("expected a key in quotes") }
      let key = try string()
      guard next() == UInt8(ascii: ":") else { throw problem("expected a colon behind \"\(key)\"") }
      position += 1
      let value = try value(depth: depth + 1)
      if members.updateValue(value, forKey: key) != nil { throw problem("the key \"\(key)\" comes twice") }
    } while try separates(before: "}")
    return members
  }

  private mutating func array(depth: Int) throws(Problem) -> [JSONValue] {
    var elements: [JSONValue] = []
    position += 1
    if try closes("]") { return elements }
    repeat { elements.append(try value(depth: depth + 1)) } while try separates(before: "]")
    return elements
  }

  private mutating func closes(_ bracket: Unicode.Scalar) throws(Problem) -> Bool {
    guard next() == UInt8(ascii: bracket) else { return false }
    position += 1
    return true
  }

  /// True behind a comma, false behind the closing bracket.
  private mutating func separates(before bracket: Unicode.Scalar) throws(Problem) -> Bool {
    if try closes(bracket) { return false }
    guard next() == UInt8(ascii: ",") else { throw problem("expected a comma or \(bracket)") }
    position += 1
    return true
  }

  /// A number, `true`, `false` or `null`.
  private mutating func word() throws(Problem) -> JSONValue {
    let start = position
    while position < text.count, Self.isWordByte(text[position]) { position += 1 }
    let word = String(decoding: text[start..<position], as: UTF8.self)
    switch word {
    case "true": return .bool(true)
    case "false": return .bool(false)
    case "null": return .null
    default: break
    }
    if Self.isNumber(word) {
      if let integer = Int(word) { return .integer(integer) }
      if let number = Double(word), number.isFinite { return .number(number) }
    }
    position = start
    throw problem("expected a value")
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
      true
    default: false
    }
  }

  /// No plus in front, no leading zero, digits on both sides of the point. What is left is for `Double` to refuse.
  private static func isNumber(_ word: String) -> Bool {
    let digits = word.utf8.drop { $0 == UInt8(ascii: "-") }
    guard word.utf8.count - digits.count <= 1, let first = digits.first, let last = digits.last else { return false }
    let isLeadingZero = first == UInt8(ascii: "0") && digits.dropFirst().first.map(isDigit) == true
    let parts = word.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    let isPointBare = parts.count > 1 && (parts[0].last.map(isDigit) != true || parts[1].first.map(isDigit) != true)
    let isHexadecimal = word.utf8.contains { $0 | 0x20 == UInt8(ascii: "x") }
    return isDigit(first) && isDigit(last) && !isLeadingZero && !isPointBare && !isHexadecimal
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private func problem(_ message: String) -> Problem {
    let before = text[..<position]
    let lineStart = before.lastIndex(of: 0x0a).map { $0 + 1 } ?? 0
    let line = before.count { $0 == 0x0a } + 1
    return Problem(line: line, column: position - lineStart + 1, message: message)
  }
}

extension JSONParser {
  /// A string; the position is at its opening quote.
  private mutating func string() throws(Problem) -> String {
    let start = position
    var bytes: [UInt8] = []
    position += 1
    while position < text.count {
      let byte = text[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: bytes, as: UTF8.self) else { throw problem("the text is not UTF-8") }
        return string
      case UInt8(ascii: "\\"): bytes += try escape()
      case 0..<0x20: throw problem("a control character in a text")
      default: bytes.append(byte)
      }
    }
    position = start
    throw problem("the text is never closed")
  }

  /// What stands behind a backslash.
  private mutating func escape() throws(Problem) -> [UInt8] {
    guard position < text.count else { throw problem("the file ends within a text") }
    position += 1
    switch text[position - 1] {
    case UInt8(ascii: "\""): return [0x22]
    case UInt8(ascii: "\\"): return [0x5c]
    case UInt8(ascii: "/"): return [0x2f]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0c]
    case UInt8(ascii: "n"): return [0x0a]
    case UInt8(ascii: "r"): return [0x0d]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"): return Array(String(Character(try scalar())).utf8)
    default: throw problem("no such escape in a text")
    }
  }

  /// The scalar of `\u` and four digits, or of a surrogate pair of them.
  private mutating func scalar() throws(Problem) -> Unicode.Scalar {
    let high = try fourDigits()
    guard (0xd800..<0xdc00).contains(high) else {
      guard let scalar = Unicode.Scalar(high) else { throw problem("half of a surrogate pair") }
      return scalar
    }
    guard text[position...].starts(with: [0x5c, UInt8(ascii: "u")]) else { throw problem("half of a surrogate pair") }
    position += 2
    let low = try fourDigits()
    guard (0xdc00..<0xe000).contains(low), let scalar = Unicode.Scalar(0x10000 + (high - 0xd800) << 10 + (low - 0xdc00))
    else { throw problem("half of a surrogate pair") }
    return scalar
  }

  private mutating func fourDigits() throws(Problem) -> UInt32 {
    let digits = text[position...].prefix(4)
    guard digits.count == 4, !digits.contains(UInt8(ascii: "+")), !digits.contains(UInt8(ascii: "-")),
      let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw problem("expected four hexadecimal digits") }
    position += 4
    return value
  }
}
