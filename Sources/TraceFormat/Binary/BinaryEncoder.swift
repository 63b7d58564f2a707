internal import Paging

/// Writes memlab's binary form (``BinaryLayout``).
struct BinaryEncoder: TraceEncoder {
  private var block = BlockEncoder()
  /// Number of operations in the blocks written.
  private var written: UInt64 = 0
  private var index: [(offset: UInt64, first: UInt64)] = []

  init(_ header: TraceHeader, to output: OutputFile) throws(TraceError) {
    try output.write(BinaryDecoder.start + header.binarySection)
  }

  mutating func append(_ batch: OperationBatch, to output: OutputFile) throws(TraceError) {
    for number in 0..<batch.count {
      block.append(any: batch.operations[number], in: batch)
      if block.isFull { try writeBlock(to: output) }
    }
  }

  mutating func finish(to output: OutputFile) throws(TraceError) {
    if block.count > 0 { try writeBlock(to: output) }
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
    let end = BinaryEnd(operations: written, indexOffset: indexOffset, blocks: UInt64(index.count))
    try output.write(end.binarySection)
  }

  private mutating func writeBlock(to output: OutputFile) throws(TraceError) {
    index.append((output.position, written))
    try output.write(
      BinarySection.bytes(
        .block, count: block.count, first: written, a: block.codes, b: block.details, c: block.deltas))
    written += UInt64(block.count)
    block.reset()
  }
}
