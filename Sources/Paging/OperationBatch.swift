/// Some consecutive operations of a trace with their payload: what a reader fills and a machine replays.
///
/// The storage is made once and used again for each batch: `operations` always has `capacity` elements, of which the
/// first `count` are valid.
public struct OperationBatch: Sendable {
  /// Operations that a batch holds at the most: 64 KiB of them, so that decoding and replay meet in the L2 cache.
  public static var capacity: Int { 4096 }
  /// A reader ends a batch early once its payload has this many words; one operation has at most 520.
  public static var payloadLimit: Int { 32_768 }

  public var operations: [Operation]
  /// Number of valid operations.
  public var count = 0
  public var words: [UInt64] = []
  public var strings: [String] = []
  /// Number, in the whole trace, of the batch's first operation.
  public var firstNumber: UInt64 = 0

  public init() {
    operations = Array(repeating: Operation(.mark), count: Self.capacity)
  }

  public var isEmpty: Bool { count == 0 }
  /// No room for another operation.
  public var isFull: Bool { count == Self.capacity || words.count >= Self.payloadLimit }

  /// Forgets the operations, keeps the storage; the next one will have the number `first`.
  public mutating func removeAll(first: UInt64) {
    count = 0
    words.removeAll(keepingCapacity: true)
    strings.removeAll(keepingCapacity: true)
    firstNumber = first
  }

  /// Adds an operation whose payload, if it has one, is already in place. The batch must not be full.
  @inlinable public mutating func append(_ operation: Operation) {
    operations[count] = operation
    count += 1
  }

  /// Adds an operation with payload words. The batch must not be full.
  public mutating func append(_ operation: Operation, words payload: [UInt64]) {
    var operation = operation
    operation.payload = UInt32(words.count)
    words.append(contentsOf: payload)
    append(operation)
  }

  /// Adds an operation with a string payload. The batch must not be full.
  public mutating func append(_ operation: Operation, string: String) {
    var operation = operation
    operation.payload = UInt32(strings.count)
    strings.append(string)
    append(operation)
  }

  /// Number of payload words of an operation of this batch.
  public func payloadCount(of operation: Operation) -> Int {
    switch operation.kind {
    case .tableStore, .fault: return operation.hasPayload ? 2 : 1
    case .interrupt: return operation.hasPayload ? 2 : 0
    case .table: return 8 + tableEntryCount(of: operation)
    case .invpcid, .fork, .unmap, .protect, .discard, .content, .dma: return 1
    case .map: return operation.hasPayload ? 3 : 1
    case .remap, .folded: return 3
    default: return 0
    }
  }

  private func tableEntryCount(of operation: Operation) -> Int {
    let first = Int(operation.payload)
    return words[first..<first + 8].reduce(0) { $0 + $1.nonzeroBitCount }
  }

  /// Payload words of an operation of this batch.
  public func payload(of operation: Operation) -> ArraySlice<UInt64> {
    let count = payloadCount(of: operation)
    // A hypercall's `payload` is an index into `strings`.
    guard count > 0 else { return [] }
    let first = Int(operation.payload)
    return words[first..<first + count]
  }
}

extension OperationBatch {
  /// Adds a table-contents operation made of (index, value) pairs in ascending order of index; zero values are left out.
  public mutating func appendTable(at address: UInt64, level: Int, entries: [(index: Int, value: UInt64)]) {
    var payload = [UInt64](repeating: 0, count: 8)
    for (index, value) in entries where value != 0 {
      payload[index >> 6] |= 1 << UInt64(index & 63)
      payload.append(value)
    }
    append(Operation(.table, address, size: UInt16(level)), words: payload)
  }
}
