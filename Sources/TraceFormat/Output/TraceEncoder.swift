internal import Paging

/// What turns operations into the bytes of one spelling. The operations it is given were checked.
protocol TraceEncoder {
  /// Writes the header.
  init(_ header: TraceHeader, to output: OutputFile) throws(TraceError)
  mutating func append(_ batch: OperationBatch, to output: OutputFile) throws(TraceError)
  /// Writes what is still to come after the last operation.
  mutating func finish(to output: OutputFile) throws(TraceError)
}
