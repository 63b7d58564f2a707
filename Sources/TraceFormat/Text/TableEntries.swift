/// A table's contents while its lines are read.
struct TableEntries {
  private var values = [UInt64](repeating: 0, count: 512)
  private var isGiven = [Bool](repeating: false, count: 512)

  /// The entries in ascending order.
  var ascending: [(index: Int, value: UInt64)] {
    values.indices.filter { isGiven[$0] }.map { ($0, values[$0]) }
  }

  /// Takes the words `INDEX=VALUE` up to the end of the line.
  mutating func take(_ line: Span<UInt8>, _ words: inout TextWords) throws(TextSyntaxError) {
    while let word = words.next(line) {
      guard let sign = Self.sign(line, word), let index = TextNumber.decimal(line, word.lowerBound..<sign), index < 512,
        let value = TextNumber.hexadecimal(line, (sign + 1)..<word.upperBound)
      else { throw TextSyntaxError(expected: OperationSyntax.Field.entries.expectation, line, word) }
      guard !isGiven[Int(index)] else { throw TextSyntaxError("entry \(index) is given twice, expected once") }
      isGiven[Int(index)] = true
      values[Int(index)] = value
    }
  }

  /// Where the word's `=` is, nil if it has none.
  static func sign(_ line: Span<UInt8>, _ word: Range<Int>) -> Int? { word.first { line[$0] == 0x3d } }
}
