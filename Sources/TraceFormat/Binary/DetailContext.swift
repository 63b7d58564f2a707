/// What the addresses and payload words in a block's details are told from: those of the operation before.
struct DetailContext {
  var address: UInt64 = 0
  /// The first and the second payload word.
  var words: (UInt64, UInt64) = (0, 0)

  /// The difference of a payload word to the one before at the same place, of which it takes note.
  mutating func difference(_ word: UInt64, at index: Int) -> UInt64 {
    defer { if index == 0 { words.0 = word } else { words.1 = word } }
    return word &- (index == 0 ? words.0 : words.1)
  }

  /// The payload word with that difference to the one before at the same place.
  mutating func word(_ difference: UInt64, at index: Int) -> UInt64 {
    let word = difference &+ (index == 0 ? words.0 : words.1)
    if index == 0 { words.0 = word } else { words.1 = word }
    return word
  }
}
