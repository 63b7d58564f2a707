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

  /// The line on which an operation begins, nil if there are fewer. To be asked before anything is read.
  mutating func line(ofOperation number: UInt64, in input: ByteInput) throws(TraceError) -> Int? {
    var batch = OperationBatch()
    var begun: UInt64 = 0
    while true {
      batch.removeAll(first: 0)
      let (line, hadTable) = (lines.number, parser.hasTable)
      let isTaken = try lines.take(input) { (text, _) throws(TextSyntaxError) in try parser.take(text, into: &batch) }
      if !isTaken {
        guard parser.deliverTable(to: &batch) else { return nil }
      } else if !batch.isEmpty || parser.hasTable && !hadTable {
        if begun == number { return line }
        begun += 1
      }
    }
  }
}

extension TraceReader {
  /// The line of a text trace on which an operation begins; nil if the trace is not a text one, cannot be read again
  /// (standard input, a pipe), or has fewer operations.
  public static func line(ofOperation number: UInt64, path: String, format: TraceSpelling? = nil) -> Int? {
    guard RawSource.isRegularFile(path) else { return nil }
    do throws(TraceError) {
      guard try TraceReader(path: path, format: format).spelling == .text else { return nil }
      let input = try ByteInput(path: path)
      var decoder = try TextDecoder(input)
      return try decoder.line(ofOperation: number, in: input)
    } catch {
      return nil
    }
  }
}

extension Span<UInt8> {
  /// Whether these are the bytes of that text.
  func isEqual(to text: String) -> Bool {
    count == text.utf8.count && zip(indices, text.utf8).allSatisfy { self[$0] == $1 }
  }

  /// The text of these bytes, nil if they are not UTF-8.
  var text: String? { String(validating: indices.map { self[$0] }, as: UTF8.self) }
}
