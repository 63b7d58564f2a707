internal import Paging

/// The latest operations of a span that is encoded, each with a hash of it and the two behind.
struct SpanWindow {
  private static var hashBits: UInt64 { 15 }
  static var hashCount: Int { 1 << Int(hashBits) }
  /// Operations that a hash is of.
  static var hashed: Int { 3 }

  /// That of number n at ``index(of:)``.
  private(set) var operations = [Operation](repeating: Operation(.mark), count: BinaryLayout.spanWindow)
  private var hashes = [UInt16](repeating: 0, count: BinaryLayout.spanWindow)
  /// Operations that the span has so far.
  private(set) var count = 0
  /// Of the last operation and the one before.
  private var keys: (last: UInt64, before: UInt64) = (0, 0)

  static func index(of place: Int) -> Int { place & (BinaryLayout.spanWindow - 1) }

  /// The hash of three operations, of which the last one must be there.
  func hash(at place: Int) -> Int { Int(hashes[Self.index(of: place)]) }

  mutating func reset() { count = 0 }

  /// Takes a batch's operations: only the last batch of a span may be short.
  mutating func append(_ batch: OperationBatch) {
    appendHashes(batch)
    let (source, start) = (batch.operations.span, Self.index(of: count))
    var target = operations.mutableSpan
    for index in 0..<batch.count { target[start + index] = source[index] }
    count += batch.count
  }

  /// The hash of an operation and the two before goes to the place of the first.
  private mutating func appendHashes(_ batch: OperationBatch) {
    let (source, start) = (batch.operations.span, count)
    var (last, before) = keys
    var target = hashes.mutableSpan
    for index in 0..<batch.count {
      let key = Self.key(source[index])
      let mixed = (before ^ last << 7 ^ key >> 9) &* 0xff51_afd7_ed55_8ccd
      target[Self.index(of: start + index - 2)] = UInt16(truncatingIfNeeded: mixed >> (64 - Self.hashBits))
      (last, before) = (key, last)
    }
    keys = (last, before)
  }

  /// Equal for operations that are alike: a fetch's address counts, a load's or store's does not.
  private static func key(_ operation: Operation) -> UInt64 {
    let shape = operation.shape
    let key = operation.kind == .fetch ? operation.address ^ shape << 40 : shape
    return (key &+ 1) &* 0x9e37_79b9_7f4a_7c15
  }
}

extension Operation {
  /// All but the address and the payload.
  var shape: UInt64 { UInt64(kind.rawValue) | UInt64(flags.rawValue) << 8 | UInt64(size) << 16 }
}
