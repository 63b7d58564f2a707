internal import Paging

/// Reads DynamoRIO's final offline traces (what `raw2trace` makes of drmemtrace's raw files: one `trace_entry_t` after
/// the other, from a header to a footer) as a process trace.
struct DynamoRIODecoder: TraceDecoder {
  /// The header's type and size, and a version below 256.
  static var magic: [UInt8] { [25, 0, 0, 0] }

  private(set) var header = TraceHeader(guest: .process, notes: [.init(key: "source", value: "drmemtrace")])
  private var next: UInt64 = 0
  /// The address behind the instruction fetched last.
  private var following: UInt64 = 0
  private var firstProcess: UInt64?
  private var process: UInt64?
  /// Instructions of a bundle that are still to come.
  private var bundle: [UInt8] = []
  private var isFinished = false

  static func recognises(_ start: [UInt8]) -> Bool {
    start.count >= DynamoRIOEntry.length && start.starts(with: magic) && start[5..<12].allSatisfy { $0 == 0 }
  }

  init(_ input: ByteInput) throws(TraceError) {
    let entry = try Self.entry(in: input, expected: "a drmemtrace header")
    guard entry.kind == .header, entry.value < 256 else {
      throw input.badData("entry of type \(entry.type), expected a drmemtrace header (type 25)")
    }
    header.notes.append(.init(key: "version", value: String(entry.value)))
    input.skip(DynamoRIOEntry.length)
  }

  mutating func read(into batch: inout OperationBatch, from input: ByteInput) throws(TraceError) -> Bool {
    batch.removeAll(first: next)
    while batch.hasRoom(for: 2) && !isFinished {
      if !bundle.isEmpty {
        fetch(following, bytes: UInt64(bundle.removeFirst()), &batch)
      } else {
        try take(Self.entry(in: input, expected: "the footer"), &batch, input)
      }
    }
    next += UInt64(batch.count)
    return !batch.isEmpty
  }

  private static func entry(in input: ByteInput, expected: String) throws(TraceError) -> DynamoRIOEntry {
    guard try input.require(DynamoRIOEntry.length) else { throw input.cutOff(expected: expected) }
    return input.withBytes { DynamoRIOEntry($0, at: 0) }
  }

  private mutating func take(
    _ entry: DynamoRIOEntry, _ batch: inout OperationBatch, _ input: ByteInput
  ) throws(TraceError) {
    switch entry.kind {
    case .load: batch.append(Operation(.load, entry.value, size: max(entry.size, 1), flags: .user))
    case .store: batch.append(Operation(.store, entry.value, size: max(entry.size, 1), flags: .user))
    case .fetch: fetch(entry.value, bytes: UInt64(entry.size), &batch)
    case .bundle:
      guard entry.size <= 8 else { throw input.badData("bundle of \(entry.size) instructions, expected at most 8") }
      bundle = (0..<Int(entry.size)).map { UInt8(truncatingIfNeeded: entry.value >> UInt64(8 * $0)) }
    case .process: run(entry.value, &batch)
    case .footer:
      input.skip(DynamoRIOEntry.length)
      if try input.require(1) { throw input.badData("expected the end of the file behind the footer, found more") }
      isFinished = true
      return
    case .nothing: break
    case .header, nil:
      throw input.badData("entry of type \(entry.type), expected one of drmemtrace's types 0 to 49, no header")
    }
    input.skip(DynamoRIOEntry.length)
  }

  private mutating func fetch(_ address: UInt64, bytes: UInt64, _ batch: inout OperationBatch) {
    batch.appendFetch(address, bytes: bytes)
    following = address &+ bytes
  }

  /// The first process is process 1 of the trace.
  private mutating func run(_ found: UInt64, _ batch: inout OperationBatch) {
    defer { process = found }
    guard let first = firstProcess else {
      firstProcess = found
      return
    }
    if found != process {
      batch.append(Operation(.switchProcess, found == first ? 1 : found == 1 ? first : found))
    }
  }
}
