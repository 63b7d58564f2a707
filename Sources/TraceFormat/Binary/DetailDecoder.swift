internal import Paging

/// Decodes a block's details: the operations that have no code of their own.
struct DetailDecoder {
  private var cursor: ByteCursor
  private var context = DetailContext()

  init(_ cursor: ByteCursor) { self.cursor = cursor }

  /// All details were taken, and none was bad.
  var isFinished: Bool { cursor.isGood && cursor.isAtEnd }

  /// A far access without its mode, and the index of the address that it sets; nil if there is none.
  mutating func farAccess(_ bytes: Span<UInt8>) -> (operation: Operation, slot: Int)? {
    let head = cursor.byte(bytes)
    let size = cursor.varint(bytes)
    let address = cursor.signedVarint(bytes)
    let slot = Int(head >> 2)
    guard cursor.isGood, slot < AddressContext.recentCount, let size = UInt16(exactly: size),
      let kind = Operation.Kind(rawValue: head & 3), kind.rawValue <= Operation.Kind.fetch.rawValue
    else { return nil }
    return (
      Operation(kind, address, size: size), kind == .fetch ? AddressContext.fetched : AddressContext.recent + slot
    )
  }

  /// Appends an operation of any other kind to the batch; false if there is none.
  mutating func operation(_ bytes: Span<UInt8>, into batch: inout OperationBatch) -> Bool {
    let head = cursor.byte(bytes)
    let number = head & 0x1f | (head & 0x80) >> 2
    guard let kind = Operation.Kind(rawValue: number), number > Operation.Kind.fetch.rawValue else { return false }
    var operation = Operation(kind, flags: Operation.Flags(rawValue: head >> 5 & 3))
    let layout = OperationLayout(operation)
    if layout.hasAddress {
      context.address = context.address &+ cursor.signedVarint(bytes)
      operation.address = context.address
    }
    if layout.hasSize {
      guard let size = UInt16(exactly: cursor.varint(bytes)) else { return false }
      operation.size = size
    } else if kind == .tableStore {
      operation.size = 8
    }
    switch layout.payload {
    case .none: break
    case .words: takeWords(of: operation, bytes, &batch)
    case .table: takeTable(bytes, &batch)
    case .string:
      let string = cursor.string(bytes, limit: BinaryLayout.stringLimit)
      guard CanonicalText.isHypercall(string) else { return false }
      operation.payload = UInt32(batch.strings.count)
      batch.strings.append(string)
    }
    if layout.payload == .words || layout.payload == .table { operation.payload = UInt32(wordStart) }
    guard cursor.isGood, OperationSyntax.of(kind).accepts(operation, in: batch) else { return false }
    batch.append(operation)
    return true
  }

  /// Where the payload words that were taken last begin.
  private var wordStart = 0

  private mutating func takeWords(of operation: Operation, _ bytes: Span<UInt8>, _ batch: inout OperationBatch) {
    wordStart = batch.words.count
    for index in 0..<batch.payloadCount(of: operation) {
      batch.words.append(context.word(cursor.signedVarint(bytes), at: index))
    }
  }

  private mutating func takeTable(_ bytes: Span<UInt8>, _ batch: inout OperationBatch) {
    wordStart = batch.words.count
    var entries = 0
    for _ in 0..<8 {
      let bits = cursor.varint(bytes)
      entries += bits.nonzeroBitCount
      batch.words.append(bits)
    }
    var previous: UInt64 = 0
    for _ in 0..<entries where cursor.isGood {
      previous = previous &+ cursor.signedVarint(bytes)
      batch.words.append(previous)
    }
  }
}
