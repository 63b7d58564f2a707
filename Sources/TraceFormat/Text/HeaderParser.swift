internal import Paging

/// Reads the header lines of the text form: `guest` and `note`.
struct HeaderParser {
  private(set) var header = TraceHeader()
  private var hasGuest = false
  private var noteBytes = 0

  /// Takes a header line, or one that says nothing; false for the first operation.
  ///
  /// - Parameter whole: the line with what would be a comment elsewhere: a note may hold `#`.
  mutating func take(_ line: Span<UInt8>, _ whole: Span<UInt8>) throws(TextSyntaxError) -> Bool {
    var words = TextWords(from: 0, to: line.count)
    guard let word = words.next(line) else { return true }
    if line.extracting(word).isEqual(to: "guest") {
      try takeGuest(line, &words)
    } else if line.extracting(word).isEqual(to: "note") {
      try takeNote(line, whole, words)
    } else {
      return false
    }
    return true
  }

  private mutating func takeGuest(_ line: Span<UInt8>, _ words: inout TextWords) throws(TextSyntaxError) {
    guard !hasGuest else { throw TextSyntaxError("expected one line `guest`, found a second one") }
    hasGuest = true
    let word = words.next(line)
    guard let word, let guest = line.extracting(word).text.flatMap({ TraceHeader.Guest(rawValue: $0) }) else {
      throw TextSyntaxError(expected: "recorded, scenario or process", line, word)
    }
    if let more = words.next(line) { throw TextSyntaxError(expected: "the end of the line", line, more) }
    header.guest = guest
  }

  private mutating func takeNote(
    _ line: Span<UInt8>, _ whole: Span<UInt8>, _ start: TextWords
  ) throws(TextSyntaxError) {
    var words = start
    guard let key = words.next(line), let keyText = line.extracting(key).text, CanonicalText.isKey(keyText) else {
      throw TextSyntaxError("expected a note's key: a word of UTF-8")
    }
    var rest = TextWords(from: words.offset, to: whole.count)
    var value = ""
    while let word = rest.next(whole) {
      guard let text = whole.extracting(word).text else { throw TextSyntaxError("expected a note of UTF-8") }
      value += value.isEmpty ? text : " " + text
    }
    guard CanonicalText.isLine(value) else { throw TextSyntaxError("expected a note of printable text") }
    noteBytes += keyText.utf8.count + value.utf8.count
    header.notes.append(TraceHeader.Note(key: keyText, value: value))
    guard noteBytes <= BinaryLayout.notesLimit, header.notes.count <= BinaryLayout.noteCountLimit else {
      throw TextSyntaxError("too many notes, expected at most \(BinaryLayout.noteCountLimit) and 2^19 bytes")
    }
  }
}
