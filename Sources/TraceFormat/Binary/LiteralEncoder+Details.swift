internal import Paging

extension LiteralEncoder {
  /// Codes an operation with its payload in `batch`. The operation must be valid.
  mutating func append(any operation: Operation, in batch: OperationBatch) {
    if operation.isAccess {
      append(access: operation)
    } else {
      append(other: operation, in: batch)
    }
  }

  private mutating func append(other operation: Operation, in batch: OperationBatch) {
    appendOther()
    let layout = OperationLayout(operation)
    let kind = operation.kind.rawValue
    details.append(
      kind & 0x1f | (operation.isUser ? 0x20 : 0) | (operation.hasPayload ? 0x40 : 0) | (kind & 0x20) << 2)
    if layout.hasAddress {
      details.append(signedVarint: operation.address &- detailContext.address)
      detailContext.address = operation.address
    }
    if layout.hasSize { details.append(varint: UInt64(operation.size)) }
    switch layout.payload {
    case .none: break
    case .words: append(words: batch.payload(of: operation))
    case .table: append(table: batch.payload(of: operation))
    case .string: details.append(string: batch.strings[Int(operation.payload)])
    }
  }

  private mutating func append(words: ArraySlice<UInt64>) {
    for (index, word) in words.enumerated() {
      details.append(signedVarint: detailContext.difference(word, at: index))
    }
  }

  private mutating func append(table words: ArraySlice<UInt64>) {
    for word in words.prefix(8) { details.append(varint: word) }
    var previous: UInt64 = 0
    for word in words.dropFirst(8) {
      details.append(signedVarint: word &- previous)
      previous = word
    }
  }
}
