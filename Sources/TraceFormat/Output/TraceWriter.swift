public import Paging

/// Writes a trace. The file appears under its name when ``finish()`` succeeds, and not at all if it is never called.
///
/// ```swift
/// var writer = try TraceWriter(path: "boot.bin", format: .binary, header: reader.header)
/// while try reader.read(into: &batch) { try writer.append(batch) }
/// try writer.finish()
/// ```
///
/// The same operations give the same bytes, however they are cut into batches.
public struct TraceWriter: ~Copyable {
  private let output: OutputFile
  private var encoder: any TraceEncoder
  private var count: UInt64 = 0

  /// Creates the file, or takes standard output for `-`, and writes the header.
  ///
  /// - Throws: `cannotCreate`; `usage` for a format that is read only, or a header that no trace can have.
  public init(path: String, format: TraceSpelling, header: TraceHeader) throws(TraceError) {
    (output, encoder) = try Self.begin(path, format, header)
  }

  private static func begin(
    _ path: String, _ format: TraceSpelling, _ header: TraceHeader
  ) throws(TraceError) -> (OutputFile, any TraceEncoder) {
    guard let encoder = format.encoder else {
      throw TraceError(.usage, file: path, "the format `\(format.rawValue)` is read only, expected binary or text")
    }
    if let problem = header.problem { throw TraceError(.usage, file: path, problem) }
    let output = try OutputFile(path: path)
    return (output, try encoder.init(header, to: output))
  }

  /// Bytes written so far.
  public var bytesWritten: UInt64 { output.position }

  /// Adds the batch's operations.
  ///
  /// - Throws: `inputOutput` if writing fails, `badData` if an operation is none that a trace can hold.
  public mutating func append(_ batch: OperationBatch) throws(TraceError) {
    let operations = batch.operations.span
    for number in 0..<batch.count {
      let operation = operations[number]
      guard Self.canHold(operation, in: batch) else {
        throw TraceError(
          .badData, file: output.name, "operation \(count + UInt64(number)) cannot be written: \(operation)")
      }
    }
    try encoder.append(batch, to: output)
    count += UInt64(batch.count)
  }

  private static func canHold(_ operation: Operation, in batch: OperationBatch) -> Bool {
    guard operation.isAccess else { return OperationSyntax.of(operation.kind).accepts(operation, in: batch) }
    return operation.flags.rawValue <= 1 && (operation.size > 0 || operation.kind == .fetch)
  }

  /// Writes the rest and gives the file its name. The writer must not be used afterwards.
  public mutating func finish() throws(TraceError) {
    try encoder.finish(to: output)
    try output.finish()
  }
}
