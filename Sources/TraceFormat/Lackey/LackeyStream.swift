internal import Paging

/// The text of one process as it comes in, in pieces that end anywhere.
struct LackeyStream {
  var process = LackeyProcess()
  private var bytes: [UInt8] = []
  private var start = 0
  /// What the last line meant and the batch had no room for.
  private var waiting: [LackeyEvent] = []

  /// Bytes that have not been taken.
  var count: Int { bytes.count - start }
  /// There is a whole line to take.
  var hasLine: Bool { !waiting.isEmpty || bytes[start...].contains(0x0a) }

  mutating func append(_ text: [UInt8]) {
    if start > 0 { bytes.removeFirst(start) }
    start = 0
    bytes += text
  }

  /// Takes whole lines as long as the batch has room.
  ///
  /// - Returns: the bytes taken, at least 1 if there was a whole line.
  /// - Throws: `badData` for a line that valgrind does not write.
  mutating func take(
    into batch: inout OperationBatch, _ handle: (LackeyEvent, LackeyProcess, inout OperationBatch) -> Void
  ) throws(TraceError) -> Int {
    let before = start
    while batch.hasRoom(for: 3) {
      guard waiting.isEmpty else {
        handle(waiting.removeFirst(), process, &batch)
        continue
      }
      start = takeAccesses(into: &batch)
      guard batch.hasRoom(for: 3), let end = bytes[start...].firstIndex(of: 0x0a) else { break }
      guard let line = String(validating: bytes[start..<end], as: UTF8.self) else {
        start = end + 1
        continue
      }
      guard let events = process.take(line[...]) else {
        throw TraceError(.badData, file: "valgrind", "wrote a line that lackey does not write: `\(line.prefix(60))`")
      }
      waiting = events
      start = end + 1
    }
    return max(start - before, 1)
  }

  /// Takes accesses; returns where the first line begins that is none.
  private func takeAccesses(into batch: inout OperationBatch) -> Int {
    var offset = start
    let span = bytes.span
    let table = LackeyAccess.digits
    let digits = table.span
    while batch.hasRoom(for: 3) {
      guard let access = LackeyAccess(span, at: offset, digits: digits), access.end < span.count,
        span[access.end] == 0x0a
      else { break }
      batch.append(access)
      offset = access.end &+ 1
    }
    return offset
  }
}
