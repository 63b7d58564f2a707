/// What a hypercall and a note may hold, so that both spellings can: printable UTF-8, words with one blank between two.
enum CanonicalText {
  /// A hypercall's name and arguments. No `#`, which begins a comment.
  static func isHypercall(_ text: String) -> Bool { isLine(text) && !text.isEmpty && !text.utf8.contains(0x23) }

  /// A note's key: one word.
  static func isKey(_ text: String) -> Bool { isHypercall(text) && !text.utf8.contains(0x20) }

  /// No control characters, no blank at an end, no two blanks in a row.
  static func isLine(_ text: String) -> Bool {
    guard text.utf8.count <= BinaryLayout.stringLimit else { return false }
    var previous: UInt8 = 0x20
    for byte in text.utf8 {
      if byte < 0x20 || byte == 0x7f || byte == 0x20 && previous == 0x20 { return false }
      previous = byte
    }
    return text.isEmpty || previous != 0x20
  }
}
