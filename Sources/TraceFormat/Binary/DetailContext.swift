/// What the addresses and payload words in details are told from: those of the operation before.
struct DetailContext {
  var address: UInt64 = 0
  /// The first three payload words.
  var words: InlineArray<3, UInt64> = [0, 0, 0]

  /// The difference of a payload word to the one before at the same place, of which it takes note.
  mutating func difference(_ word: UInt64, at index: Int) -> UInt64 {
    defer { words[min(index, 2)] = word }
    return word &- words[min(index, 2)]
  }

  /// The payload word with that difference to the one before at the same place.
  mutating func word(_ difference: UInt64, at index: Int) -> UInt64 {
    let word = difference &+ words[min(index, 2)]
    words[min(index, 2)] = word
    return word
  }
}
