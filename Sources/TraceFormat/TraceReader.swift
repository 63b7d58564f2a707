public import Paging

/// Reads a trace, batch by batch, from a file or from standard input, packed or not; never holds a whole trace.
///
/// ```swift
/// var reader = try TraceReader(path: "boot.bin")
/// var batch = OperationBatch()
/// while try reader.read(into: &batch) { replay(batch) }
/// ```
public struct TraceReader: ~Copyable {
  private let input: ByteInput
  private var decoder: any TraceDecoder

  /// How the trace is spelt.
  public let spelling: TraceSpelling

  /// Opens a trace and reads its header.
  ///
  /// - Parameters:
  ///   - path: a file, or `-` for standard input. What `gzip`, `xz` or `zstd` packed is recognised by its first bytes
  ///     and unpacked by that program.
  ///   - format: the spelling, or nil to recognise it by the first bytes.
  /// - Throws: `noInput` if it cannot be opened, `unavailable` if the unpacking program is missing, `badData` if it
  ///   does not begin like a trace.
  public init(path: String, format: TraceSpelling? = nil) throws(TraceError) {
    let input = try ByteInput(path: path)
    let spelling = if let format { format } else { try Self.recognise(input) }
    self.decoder = try spelling.decoder.init(input)
    self.input = input
    self.spelling = spelling
  }

  /// What the trace says about itself before its first operation.
  public var header: TraceHeader { decoder.header }

  /// The share of the file, packed or not, that has been read: 0…1, or nil if its size is not known (a pipe).
  public var fraction: Double? { input.fraction }

  /// Bytes of the unpacked trace that have been decoded.
  public var bytesRead: UInt64 { input.position }

  /// Fills the batch with the next operations and sets its `firstNumber`.
  ///
  /// - Returns: false, with an empty batch, at the end of the trace.
  /// - Throws: `badData` with the offset or the line. The operations before it were delivered by the calls before.
  public mutating func read(into batch: inout OperationBatch) throws(TraceError) -> Bool {
    try decoder.read(into: &batch, from: input)
  }

  /// Makes the operation with that number (from 0) the next one to be read. What came before it is not read: tables and
  /// registers set by it are unknown to the caller.
  ///
  /// - Throws: `usage` unless the trace is a binary one in an unpacked regular file and has that many operations.
  public mutating func seek(toOperation number: UInt64) throws(TraceError) {
    try decoder.seek(toOperation: number, in: input)
  }

  private static func recognise(_ input: ByteInput) throws(TraceError) -> TraceSpelling {
    let start = try input.peek(TraceSpelling.recognitionLength)
    guard !start.isEmpty else {
      throw TraceError(.badData, file: input.name, at: .offset(0), "is empty, expected a trace")
    }
    guard let spelling = TraceSpelling.recognise(start) else {
      throw TraceError(
        .badData, file: input.name, at: .offset(0),
        "is no trace, expected a raw recording, a memlab binary trace, text that begins with `memlab-trace 1`, "
          + "lackey's text, or one of drmemtrace, champsim, list")
    }
    return spelling
  }
}
