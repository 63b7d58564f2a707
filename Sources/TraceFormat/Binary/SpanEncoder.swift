internal import Paging

/// Codes operations as spans (``BinaryLayout``), batch by batch.
struct SpanEncoder {
  /// Operations of the next batch, and bytes of their strings.
  private var batch = OperationBatch()
  private var stringBytes = 0
  /// Operations of the span in the batches before.
  private(set) var count = 0
  private var literals = LiteralEncoder()
  private var copies = CopyEncoder()
  private var finder = CopyFinder()

  /// The span has to end. Decided by the operations in it alone, so that the same ones always give the same spans.
  private(set) var isFull = false

  /// Takes operations of a batch from that index on, as many as the span has room for; the first is at least taken.
  ///
  /// - Returns: the index of the first one not taken.
  mutating func append(_ source: OperationBatch, from index: Int) -> Int {
    var next = index
    while next < source.count && !isFull {
      next = appendAccesses(source, from: next)
      if next < source.count && !batch.isFull {
        append(other: source.operations[next], in: source)
        next += 1
      }
      if batch.isFull || stringBytes >= BinaryLayout.spanStringLimit { encodeBatch() }
    }
    return next
  }

  /// Takes accesses as long as they come and the batch has room.
  private mutating func appendAccesses(_ source: OperationBatch, from index: Int) -> Int {
    let first = batch.count
    let limit = min(source.count - index, OperationBatch.capacity - first)
    let operations = source.operations.span
    var target = batch.operations.mutableSpan
    var taken = 0
    while taken < limit && operations[index + taken].isAccess {
      target[first + taken] = operations[index + taken]
      taken += 1
    }
    batch.count = first + taken
    return index + taken
  }

  private mutating func append(other operation: Operation, in source: OperationBatch) {
    if operation.kind == .hypercall {
      let string = source.strings[Int(operation.payload)]
      stringBytes += string.utf8.count
      batch.append(operation, string: string)
    } else {
      batch.append(operation, words: Array(source.payload(of: operation)))
    }
  }

  /// Codes the batch: a short one is the span's last.
  private mutating func encodeBatch() {
    finder.append(batch)
    var place = count
    while place < finder.window.count {
      if let copy = finder.find(at: place, difference: copies.difference) {
        literals.appendCopy()
        copies.append(copy, at: place, in: finder.window)
        place += copy.length
      } else {
        literals.append(any: batch.operations[place - count], in: batch)
        place += 1
      }
    }
    isFull =
      batch.count < OperationBatch.capacity || place == BinaryLayout.spanLimit
      || literals.length + copies.bytes.count >= BinaryLayout.spanPayloadLimit
    count = place
    batch.removeAll(first: 0)
    stringBytes = 0
  }

  /// The section's bytes, nil if there are no operations; begins the next span.
  mutating func finish(first: UInt64) -> (bytes: [UInt8], count: Int)? {
    if batch.count > 0 { encodeBatch() }
    guard count > 0 else { return nil }
    let bytes = BinarySection.bytes(
      .span, count: count, first: first, a: literals.codes, b: literals.details, c: literals.deltas, d: copies.bytes)
    defer {
      finder.reset()
      literals.reset()
      copies.reset()
      count = 0
      isFull = false
    }
    return (bytes, count)
  }
}
