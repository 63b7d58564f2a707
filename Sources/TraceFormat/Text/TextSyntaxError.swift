/// What is wrong with a line of text; the reader adds the file and the line number.
struct TextSyntaxError: Error {
  var message: String

  init(_ message: String) { self.message = message }

  /// An error that quotes what was found.
  init(expected: String, _ line: Span<UInt8>, _ found: Range<Int>?) {
    message = "expected \(expected), found \(found.map { Self.quoted(line, $0) } ?? "the end of the line")"
  }

  /// A word as it can be shown: printable ASCII only, and not too long.
  static func quoted(_ line: Span<UInt8>, _ word: Range<Int>) -> String {
    let shown = word.prefix(40).map { index in
      (0x20..<0x7f).contains(line[index]) ? String(UnicodeScalar(line[index])) : "?"
    }
    return "`\(shown.joined())\(word.count > 40 ? "…" : "")`"
  }
}
