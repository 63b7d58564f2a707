internal import Paging

/// Reads the text of valgrind's lackey (`--trace-mem=yes`, perhaps with `--trace-syscalls=yes`) of one process as a
/// process trace.
struct LackeyDecoder: TraceDecoder {
  static var magic: [UInt8] { Array("==".utf8) }

  private(set) var header = TraceHeader(guest: .process, notes: [.init(key: "source", value: "lackey")])
  private var lines = TextLines()
  private var process = LackeyProcess()
  private var numbers: ProcessNumbers?
  /// What the last line meant and the batch had no room for.
  private var waiting: [LackeyEvent] = []
  private var next: UInt64 = 0

  static func recognises(_ start: [UInt8]) -> Bool {
    let line = start.prefix { $0 != 0x0a }
    guard !line.isEmpty, let text = String(validating: line, as: UTF8.self) else { return false }
    if LackeyProcess.process(text[...]) != nil { return true }
    let table = LackeyAccess.digits
    guard let access = LackeyAccess(start.span, at: 0, digits: table.span) else { return false }
    return access.end == line.count
  }

  init(_ input: ByteInput) throws(TraceError) {}

  mutating func read(into batch: inout OperationBatch, from input: ByteInput) throws(TraceError) -> Bool {
    batch.removeAll(first: next)
    while batch.hasRoom(for: 2) {
      deliverWaiting(to: &batch)
      guard waiting.isEmpty else { break }
      _ = try input.require(4096)
      let taken = input.withBytes { takeAccesses($0, into: &batch) }
      input.skip(taken.bytes)
      lines.pass(taken.lines)
      guard batch.hasRoom(for: 2) else { break }
      if try !takeLine(into: &batch, from: input) { break }
    }
    next += UInt64(batch.count)
    return !batch.isEmpty
  }

  private mutating func deliverWaiting(to batch: inout OperationBatch) {
    guard !waiting.isEmpty else { return }
    var known = numbers ?? ProcessNumbers(first: 1)
    while batch.hasRoom(for: 1), !waiting.isEmpty {
      known.append(waiting.removeFirst(), of: known.first, to: &batch)
    }
    numbers = known
  }

  /// Takes the accesses at the window's start, as long as whole lines come and the batch has room.
  private func takeAccesses(_ bytes: Span<UInt8>, into batch: inout OperationBatch) -> (bytes: Int, lines: Int) {
    var offset = 0
    var lines = 0
    let table = LackeyAccess.digits
    let digits = table.span
    while batch.count < OperationBatch.capacity - 1 {
      guard let access = LackeyAccess(bytes, at: offset, digits: digits), access.end < bytes.count,
        bytes[access.end] == 0x0a
      else { break }
      batch.append(access)
      offset = access.end &+ 1
      lines &+= 1
    }
    return (offset, lines)
  }

  /// Takes one line of any kind; false at the end.
  private mutating func takeLine(into batch: inout OperationBatch, from input: ByteInput) throws(TraceError) -> Bool {
    var lines = lines
    defer { self.lines = lines }
    return try lines.take(input) { (_, line) throws(TextSyntaxError) in
      let table = LackeyAccess.digits
      if let access = LackeyAccess(line, at: 0, digits: table.span), access.end == line.count {
        batch.append(access)
        return true
      }
      guard let text = line.text, let events = try events(of: text[...]) else {
        throw TextSyntaxError(
          expected: "an access (`I  ADDR,SIZE`, ` L`, ` S`, ` M`), a system call or a message of valgrind's", line,
          0..<line.count)
      }
      waiting = events
      return true
    }
  }

  private mutating func events(of line: Substring) throws(TextSyntaxError) -> [LackeyEvent]? {
    if let found = LackeyProcess.process(line) {
      let first = numbers?.first ?? found
      if numbers == nil { numbers = ProcessNumbers(first: found) }
      guard found == first else {
        throw TextSyntaxError(
          "is of process \(found), expected \(first): one file holds one process (valgrind's --log-file=NAME.%p)")
      }
    }
    return process.take(line)
  }
}
