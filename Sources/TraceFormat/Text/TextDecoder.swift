internal import Paging

/// Reads the text form: a line `memlab-trace 1`, header lines, then one operation a line.
struct TextDecoder: TraceDecoder {
  static let magic = Array("memlab-trace".utf8)
  private(set) var header = TraceHeader()
  private var next: UInt64 = 0
  private var lines = TextLines()
  private var parser = OperationParser()

  init(_ input: ByteInput) throws(TraceError) {
    try lines.take(input) { (text, _) throws(TextSyntaxError) in
      var words = TextWords(from: 0, to: text.count)
      let expected = ["memlab-trace", "1"]
      for word in expected {
        guard let found = words.next(text), text.extracting(found).isEqual(to: word) else {
          throw TextSyntaxError("expected `memlab-trace 1`")
        }
      }
      guard words.next(text) == nil else { throw TextSyntaxError("expected `memlab-trace 1`") }
      return true
    }
    var headerParser = HeaderParser()
    while try lines.take(input, { (text, whole) throws(TextSyntaxError) in try headerParser.take(text, whole) }) {}
    header = headerParser.header
    if let problem = header.problem {
      throw TraceError(.badData, file: input.name, at: .line(lines.number), problem)
    }
  }

  mutating func read(into batch: inout OperationBatch, from input: ByteInput) throws(TraceError) -> Bool {
    batch.removeAll(first: next)
    var stringBytes = 0
    while !batch.isFull && stringBytes < BinaryLayout.detailLimit {
      let strings = batch.strings.count
      let isLine = try lines.take(input) { (text, _) throws(TextSyntaxError) in try parser.take(text, into: &batch) }
      if batch.strings.count > strings { stringBytes += batch.strings[strings].utf8.count }
      if !isLine && !parser.deliverTable(to: &batch) { break }
    }
    next += UInt64(batch.count)
    return !batch.isEmpty
  }

  private func available(_ input: ByteInput) -> Int { input.available }
}

extension Span<UInt8> {
  /// Whether these are the bytes of that text.
  func isEqual(to text: String) -> Bool {
    count == text.utf8.count && zip(indices, text.utf8).allSatisfy { self[$0] == $1 }
  }

  /// The text of these bytes, nil if they are not UTF-8.
  var text: String? { String(validating: indices.map { self[$0] }, as: UTF8.self) }
}
