internal import Paging

/// The words of the text form that stand for an operation's size.
enum SizeWords {
  /// Letters of the rights by bit: read, write, execute; file, shared.
  private static let letters: [(letter: UInt8, bit: UInt16)] = [
    (0x72, 4), (0x77, 2), (0x78, 1), (0x66, 8), (0x73, 16),
  ]

  /// Letters of `rwx`, with `allowed` 31 also `f` and `s`, each at most once, or `-`.
  static func rights(_ word: Span<UInt8>, allowed: UInt16) -> UInt16? {
    if word.isEqual(to: "-") { return 0 }
    var result: UInt16 = 0
    for index in word.indices {
      guard let bit = letters.first(where: { $0.letter == word[index] })?.bit, (result | ~allowed) & bit == 0 else {
        return nil
      }
      result |= bit
    }
    return result
  }

  static func text(rights: UInt16) -> [UInt8] {
    rights == 0 ? [0x2d] : letters.filter { rights & $0.bit != 0 }.map(\.letter)
  }

  /// A table's level; `1/32` and `2/32` are those of 32-bit entries.
  static func tableLevel(_ word: Span<UInt8>) -> UInt16? {
    OperationSyntax.tableLevels.first { word.isEqual(to: text(tableLevel: $0)) }
  }

  static func text(tableLevel: UInt16) -> String {
    let level = tableLevel & ~Operation.narrowEntries
    return level == tableLevel ? "\(level)" : "\(level)/32"
  }

  static func direction(_ word: Span<UInt8>) -> UInt16? {
    word.isEqual(to: "read") ? 0 : word.isEqual(to: "write") ? 1 : nil
  }

  static func text(direction: UInt16) -> [UInt8] { Array((direction == 0 ? "read" : "write").utf8) }
}
