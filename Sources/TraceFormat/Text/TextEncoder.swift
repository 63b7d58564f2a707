internal import Paging

/// Writes the text form.
struct TextEncoder: TraceEncoder {
  private var text: [UInt8] = []
  private let names = OperationSyntax.all.map { (user: Array($0.name.utf8), supervisor: Self.supervisorName($0)) }
  private let syntaxes = OperationSyntax.all

  init(_ header: TraceHeader, to output: OutputFile) throws(TraceError) {
    var lines = ["memlab-trace 1", "guest \(header.guest.rawValue)"]
    lines += header.notes.map { $0.value.isEmpty ? "note \($0.key)" : "note \($0.key) \($0.value)" }
    try output.write(Array((lines.joined(separator: "\n") + "\n").utf8))
  }

  mutating func append(_ batch: OperationBatch, to output: OutputFile) throws(TraceError) {
    for number in 0..<batch.count {
      spell(batch.operations[number], in: batch)
      if text.count >= 1 << 16 { try flush(to: output) }
    }
    try flush(to: output)
  }

  mutating func finish(to output: OutputFile) throws(TraceError) { try flush(to: output) }

  private mutating func flush(to output: OutputFile) throws(TraceError) {
    try output.write(text)
    text.removeAll(keepingCapacity: true)
  }

  private static func supervisorName(_ syntax: OperationSyntax) -> [UInt8] {
    Array((syntax.hasModes ? syntax.name.uppercased() : syntax.name).utf8)
  }

  private mutating func spell(_ operation: Operation, in batch: OperationBatch) {
    let index = Int(operation.kind.rawValue)
    text += operation.isUser ? names[index].user : names[index].supervisor
    var word = Int(operation.payload)
    for field in syntaxes[index].fields { spell(field, operation, &word, batch) }
    if operation.hasPayload {
      if let mark = syntaxes[index].mark {
        text.append(0x20)
        text += Array(mark.utf8)
      }
      for field in syntaxes[index].optional { spell(field, operation, &word, batch) }
    }
    text.append(0x0a)
  }

  private mutating func spell(
    _ field: OperationSyntax.Field, _ operation: Operation, _ word: inout Int, _ batch: OperationBatch
  ) {
    if case .size(_, default: operation.size) = field { return }
    if case .entries = field {
      printEntries(operation, batch)
      return
    }
    text.append(0x20)
    switch field {
    case .address, .page: text.append(hexadecimal: operation.address)
    case .number, .bytes: text.append(decimal: operation.address)
    case .size: text.append(decimal: UInt64(operation.size))
    case .tableLevel: text += Array(SizeWords.text(tableLevel: operation.size).utf8)
    case .rights, .mappingRights: text += SizeWords.text(rights: operation.size)
    case .direction: text += SizeWords.text(direction: operation.size)
    case .word:
      text.append(hexadecimal: batch.words[word])
      word += 1
    case .count:
      text.append(decimal: batch.words[word])
      word += 1
    case .text: text += Array(batch.strings[Int(operation.payload)].utf8)
    case .entries: break
    }
  }

  private mutating func printEntries(_ operation: Operation, _ batch: OperationBatch) {
    let words = Array(batch.payload(of: operation))
    let isNarrow = operation.size & Operation.narrowEntries != 0
    var next = 8
    for index in 0..<512 where words[index >> 6] >> UInt64(index & 63) & 1 != 0 {
      if isNarrow {
        printEntry(2 * index, words[next] & 0xffff_ffff)
        printEntry(2 * index + 1, words[next] >> 32)
      } else {
        printEntry(index, words[next])
      }
      next += 1
    }
  }

  private mutating func printEntry(_ index: Int, _ value: UInt64) {
    if value == 0 { return }
    text.append(0x20)
    text.append(decimal: UInt64(index))
    text.append(0x3d)
    text.append(hexadecimal: value)
  }
}

extension [UInt8] {
  mutating func append(hexadecimal number: UInt64) {
    var shift = number == 0 ? 0 : (63 - number.leadingZeroBitCount) & ~3
    while shift >= 0 {
      let digit = UInt8(number >> UInt64(shift) & 0xf)
      append(digit < 10 ? 0x30 + digit : 0x57 + digit)
      shift -= 4
    }
  }

  mutating func append(decimal number: UInt64) {
    if number < 10 {
      append(0x30 + UInt8(number))
    } else {
      append(contentsOf: String(number).utf8)
    }
  }
}
