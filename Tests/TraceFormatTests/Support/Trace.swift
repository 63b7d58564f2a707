import Paging

@testable import TraceFormat

/// Foundation has an `Operation` too.
typealias Operation = Paging.Operation

/// An operation with its payload, so that operations of different batches can be compared.
struct FlatOperation: Hashable {
  var operation: Operation
  var words: [UInt64]
  var string: String?

  init(_ operation: Operation, _ words: [UInt64] = [], string: String? = nil) {
    self.operation = operation
    self.operation.payload = 0
    self.words = words
    self.string = string
  }

  init(_ operation: Operation, in batch: OperationBatch) {
    self.init(
      operation, Array(batch.payload(of: operation)),
      string: operation.kind == .hypercall ? batch.strings[Int(operation.payload)] : nil)
  }

  func append(to batch: inout OperationBatch) {
    if let string {
      batch.append(operation, string: string)
    } else if words.isEmpty {
      batch.append(operation)
    } else {
      batch.append(operation, words: words)
    }
  }
}

/// A whole trace in memory.
struct Trace: Hashable {
  var header = TraceHeader(
    guest: .recorded, notes: [.init(key: "filter", value: "all"), .init(key: "empty", value: "")])
  var operations: [FlatOperation] = []

  /// Reads a trace to its end.
  init(path: String, format: TraceSpelling? = nil) throws(TraceError) {
    var reader = try TraceReader(path: path, format: format)
    header = reader.header
    try append(from: &reader)
  }

  init(_ operations: [FlatOperation]) { self.operations = operations }

  mutating func append(from reader: inout TraceReader) throws(TraceError) {
    var batch = OperationBatch()
    while try reader.read(into: &batch) {
      for index in 0..<batch.count { operations.append(FlatOperation(batch.operations[index], in: batch)) }
    }
  }

  /// Writes it in batches of the given size.
  func write(_ path: String, _ format: TraceSpelling, batchSize: Int = OperationBatch.capacity) throws(TraceError) {
    var writer = try TraceWriter(path: path, format: format, header: header)
    var batch = OperationBatch()
    for operation in operations {
      if batch.count == batchSize || batch.isFull {
        try writer.append(batch)
        batch.removeAll(first: batch.firstNumber + UInt64(batch.count))
      }
      operation.append(to: &batch)
    }
    try writer.append(batch)
    try writer.finish()
  }
}
