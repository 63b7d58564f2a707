internal import Paging

/// Decodes a span's or block's details: the operations that have no code of their own.
struct DetailDecoder {
  private var cursor: ByteCursor
  private var context = DetailContext()

  init(_ cursor: ByteCursor) { self.cursor = cursor }

  /// All details were taken, and none was bad.
  var isFinished: Bool { cursor.isGood && cursor.isAtEnd }

  /// A far access without its mode, and which of the `recent` data addresses it sets, if it is a load or store; nil if
  /// there is none.
  mutating func farAccess(_ bytes: Span<UInt8>, recentCount: Int) -> (operation: Operation, slot: Int)? {
    let head = cursor.byte(bytes)
    let size = cursor.varint(bytes)
    let address = cursor.signedVarint(bytes)
    let slot = Int(head >> 2)
    guard cursor.isGood, slot < recentCount, let size = UInt16(exactly: size),
      let kind = Operation.Kind(rawValue: head & 3), kind.rawValue <= Operation.Kind.fetch.rawValue
    else { return nil }
    return (Operation(kind, address, size: size), slot)
  }

  /// An operation of any other kind, its payload now in the batch; nil if there is none.
  mutating func operation(_ bytes: Span<UInt8>, payloadIn batch: inout OperationBatch) -> Operation? {
    let head = cursor.byte(bytes)
    let number = head & 0x1f | (head & 0x80) >> 2
    guard let kind = Operation.Kind(rawValue: number), number > Operation.Kind.fetch.rawValue else { return nil }
    var operation = Operation(kind, flags: Operation.Flags(rawValue: head >> 5 & 3))
    let layout = OperationLayout(operation)
    if layout.hasAddress {
      context.address = context.address &+ cursor.signedVarint(bytes)
      operation.address = context.address
    }
    if layout.hasSize {
      guard let size = UInt16(exactly: cursor.varint(bytes)) else { return nil }
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
      guard CanonicalText.isHypercall(string) else { return nil }
      operation.payload = UInt32(batch.strings.count)
      batch.strings.append(string)
    }
    if layout.payload == .words || layout.payload == .table { operation.payload = UInt32(wordStart) }
    guard cursor.isGood, OperationSyntax.of(kind).accepts(operation, in: batch) else { return nil }
    return operation
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
