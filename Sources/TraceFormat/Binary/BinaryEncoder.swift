internal import Paging

/// Writes memlab's binary form (``BinaryLayout``).
struct BinaryEncoder: TraceEncoder {
  private var span = SpanEncoder()
  /// Number of operations in the spans written.
  private var written: UInt64 = 0
  private var index: [(offset: UInt64, first: UInt64)] = []

  init(_ header: TraceHeader, to output: OutputFile) throws(TraceError) {
    try output.write(BinaryDecoder.start() + header.binarySection)
  }

  mutating func append(_ batch: OperationBatch, to output: OutputFile) throws(TraceError) {
    var next = 0
    while next < batch.count {
      next = span.append(batch, from: next)
      if span.isFull { try writeSpan(to: output) }
    }
  }

  mutating func finish(to output: OutputFile) throws(TraceError) {
    try writeSpan(to: output)
    let indexOffset = output.position
    for start in stride(from: 0, to: index.count, by: BinaryLayout.indexLimit) {
      let part = index[start..<min(start + BinaryLayout.indexLimit, index.count)]
      var payload: [UInt8] = []
      for entry in part {
        payload.append(littleEndian: entry.offset)
        payload.append(littleEndian: entry.first)
      }
      try output.write(BinarySection.bytes(.index, count: part.count, first: UInt64(start), a: payload))
    }
    let end = BinaryEnd(operations: written, indexOffset: indexOffset, units: UInt64(index.count))
    try output.write(end.binarySection)
  }

  private mutating func writeSpan(to output: OutputFile) throws(TraceError) {
    let position = output.position
    guard let (bytes, count) = span.finish(first: written) else { return }
    try output.write(bytes)
    index.append((position, written))
    written += UInt64(count)
  }
}
