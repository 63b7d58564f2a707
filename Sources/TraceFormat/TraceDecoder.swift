internal import Paging

/// What turns the bytes of one spelling into operations.
///
/// Contract:
///   - The initializer consumes the header, and nothing behind it that `read` needs.
///   - `read` empties the batch and fills it; false, with an empty batch, means the whole trace was delivered and its
///     end was as it has to be. After an error nothing more is asked of the decoder.
///   - All that the input holds is checked before it is used: no input may trap or make memory grow without bound.
protocol TraceDecoder {
  /// The bytes that every trace of this spelling begins with.
  static var magic: [UInt8] { get }

  /// Whether a trace that begins with these bytes, up to ``TraceSpelling/recognitionLength`` of them, is of this spelling.
  static func recognises(_ start: [UInt8]) -> Bool

  init(_ input: ByteInput) throws(TraceError)

  var header: TraceHeader { get }

  mutating func read(into batch: inout OperationBatch, from input: ByteInput) throws(TraceError) -> Bool

  /// Makes the operation of that number the next one to be read.
  mutating func seek(toOperation number: UInt64, in input: ByteInput) throws(TraceError)
}

extension TraceDecoder {
  static func recognises(_ start: [UInt8]) -> Bool { start.starts(with: magic) }

  mutating func seek(toOperation number: UInt64, in input: ByteInput) throws(TraceError) {
    throw TraceError(.usage, file: input.name, "cannot start in the middle: only a binary trace has an index")
  }
}
