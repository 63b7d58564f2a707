internal import Paging

/// Reads the operations of the text form, line by line.
struct OperationParser {
  /// A table whose entries may go on in the next line.
  private var table: (operation: Operation, entries: TableEntries)?
  private let keywords = KeywordTable.shared

  /// Takes a line and appends its operation, if it has one, to the batch, which must not be full.
  ///
  /// - Returns: false if the table before has to be delivered first.
  mutating func take(_ line: Span<UInt8>, into batch: inout OperationBatch) throws(TextSyntaxError) -> Bool {
    var words = TextWords(from: 0, to: line.count)
    guard let word = words.next(line) else { return true }
    guard let index = keywords.find(line, word) else {
      try takeMoreEntries(line, word)
      return true
    }
    if table != nil { return false }
    let keyword = keywords[index]
    var operation = Operation(keyword.syntax.kind, flags: keyword.isUser ? .user : [])
    let wordCount = batch.words.count
    operation.payload = UInt32(wordCount)
    if operation.kind == .tableStore { operation.size = 8 }
    for field in keyword.syntax.fields { try parse(field, line, &words, &operation, &batch) }
    if !keyword.syntax.optional.isEmpty { try parseOptional(keyword.syntax, line, &words, &operation, &batch) }
    if let more = words.next(line) { throw TextSyntaxError(expected: "the end of the line", line, more) }
    if operation.kind != .table {
      if operation.kind != .hypercall && batch.words.count == wordCount { operation.payload = 0 }
      batch.append(operation)
    }
    return true
  }

  /// A table was begun that has not been delivered yet.
  var hasTable: Bool { table != nil }

  /// Appends the table that was read last, if any; false if there is none.
  mutating func deliverTable(to batch: inout OperationBatch) -> Bool {
    guard let (operation, entries) = table else { return false }
    batch.appendTable(at: operation.address, level: Int(operation.size), entries: entries.ascending)
    table = nil
    return true
  }

  private mutating func takeMoreEntries(_ line: Span<UInt8>, _ word: Range<Int>) throws(TextSyntaxError) {
    if TableEntries.sign(line, word) != nil && table != nil {
      var words = TextWords(from: 0, to: line.count)
      try table?.entries.take(line, &words)
    } else if line.extracting(word).isEqual(to: "note") || line.extracting(word).isEqual(to: "guest") {
      throw TextSyntaxError(expected: "header lines before the first operation", line, word)
    } else {
      throw TextSyntaxError(expected: "an operation", line, word)
    }
  }

  private mutating func parseOptional(
    _ syntax: OperationSyntax, _ line: Span<UInt8>, _ words: inout TextWords, _ operation: inout Operation,
    _ batch: inout OperationBatch
  ) throws(TextSyntaxError) {
    var ahead = words
    guard let first = ahead.next(line) else { return }
    if let mark = syntax.mark {
      guard line.extracting(first).isEqual(to: mark) else {
        throw TextSyntaxError(expected: "\(mark) or the end of the line", line, first)
      }
      words = ahead
    }
    operation.flags.formUnion(.hasPayload)
    for field in syntax.optional { try parse(field, line, &words, &operation, &batch) }
  }

  private mutating func parse(
    _ field: OperationSyntax.Field, _ line: Span<UInt8>, _ words: inout TextWords, _ operation: inout Operation,
    _ batch: inout OperationBatch
  ) throws(TextSyntaxError) {
    if case .entries = field {
      var entries = TableEntries(isNarrow: operation.size & Operation.narrowEntries != 0)
      try entries.take(line, &words)
      table = (operation, entries)
      return
    }
    if case .text = field {
      try takeText(line, &words, &operation, &batch)
      return
    }
    let word = words.next(line)
    if word == nil, case .size(_, default: let size?) = field {
      operation.size = size
      return
    }
    guard let word, Self.set(field, line, word, &operation, &batch) else {
      throw TextSyntaxError(expected: field.expectation, line, word)
    }
  }

  /// Sets a field that is one word; false if the word does not fit.
  private static func set(
    _ field: OperationSyntax.Field, _ line: Span<UInt8>, _ word: Range<Int>, _ operation: inout Operation,
    _ batch: inout OperationBatch
  ) -> Bool {
    switch field {
    case .address:
      guard let value = TextNumber.hexadecimal(line, word) else { return false }
      operation.address = value
    case .page:
      guard let value = TextNumber.hexadecimal(line, word), value & 0xfff == 0 else { return false }
      operation.address = value
    case .number(let limit):
      guard let value = TextNumber.decimal(line, word), value <= limit else { return false }
      operation.address = value
    case .bytes:
      guard let value = TextNumber.bytes(line, word), value > 0 else { return false }
      operation.address = value
    case .size(let range, _):
      guard let value = TextNumber.decimal(line, word), value <= range.upperBound, value >= range.lowerBound
      else { return false }
      operation.size = UInt16(value)
    case .tableLevel:
      guard let value = SizeWords.tableLevel(line.extracting(word)) else { return false }
      operation.size = value
    case .rights, .mappingRights:
      let allowed: UInt16 = if case .rights = field { 7 } else { 31 }
      guard let value = SizeWords.rights(line.extracting(word), allowed: allowed) else { return false }
      operation.size = value
    case .direction:
      guard let value = SizeWords.direction(line.extracting(word)) else { return false }
      operation.size = value
    case .word, .count:
      let isHexadecimal = if case .word = field { true } else { false }
      guard let value = isHexadecimal ? TextNumber.hexadecimal(line, word) : TextNumber.decimal(line, word)
      else { return false }
      batch.words.append(value)
    case .entries, .text: return false
    }
    return true
  }

  private func takeText(
    _ line: Span<UInt8>, _ words: inout TextWords, _ operation: inout Operation, _ batch: inout OperationBatch
  ) throws(TextSyntaxError) {
    var parts: [String] = []
    while let word = words.next(line) {
      guard let text = line.extracting(word).text else { throw TextSyntaxError("expected a hypercall of UTF-8") }
      parts.append(text)
    }
    let text = parts.joined(separator: " ")
    guard !parts.isEmpty else { throw TextSyntaxError(expected: OperationSyntax.Field.text.expectation, line, nil) }
    guard CanonicalText.isHypercall(text) else {
      throw TextSyntaxError("expected a hypercall of printable text, at most \(BinaryLayout.stringLimit) bytes")
    }
    operation.payload = UInt32(batch.strings.count)
    batch.strings.append(text)
  }
}
