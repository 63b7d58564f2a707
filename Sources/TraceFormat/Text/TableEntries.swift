/// A table's contents while its lines are read.
struct TableEntries {
  /// 1024 entries of 32 bits, rather than 512 of 64.
  private let isNarrow: Bool
  private var values = [UInt64](repeating: 0, count: 512)
  private var isGiven = [Bool](repeating: false, count: 1024)

  init(isNarrow: Bool) { self.isNarrow = isNarrow }

  /// The words that were given something, in ascending order.
  var ascending: [(index: Int, value: UInt64)] {
    values.indices.filter { isNarrow ? isGiven[2 * $0] || isGiven[2 * $0 + 1] : isGiven[$0] }.map { ($0, values[$0]) }
  }

  /// Takes the words `INDEX=VALUE` up to the end of the line.
  mutating func take(_ line: Span<UInt8>, _ words: inout TextWords) throws(TextSyntaxError) {
    let (count, limit): (UInt64, UInt64) = isNarrow ? (1024, 0xffff_ffff) : (512, .max)
    while let word = words.next(line) {
      guard let sign = Self.sign(line, word), let index = TextNumber.decimal(line, word.lowerBound..<sign),
        index < count, let value = TextNumber.hexadecimal(line, (sign + 1)..<word.upperBound), value <= limit
      else { throw TextSyntaxError(expected: OperationSyntax.Field.entries.expectation, line, word) }
      guard !isGiven[Int(index)] else { throw TextSyntaxError("entry \(index) is given twice, expected once") }
      isGiven[Int(index)] = true
      if isNarrow { values[Int(index / 2)] |= value << (32 * (index & 1)) } else { values[Int(index)] = value }
    }
  }

  /// Where the word's `=` is, nil if it has none.
  static func sign(_ line: Span<UInt8>, _ word: Range<Int>) -> Int? { word.first { line[$0] == 0x3d } }
}
