/// Takes the lines of a text, one after the other, and counts them.
struct TextLines {
  /// Bytes in a line, at the most.
  static var limit: Int { 65_536 }

  /// The number of the line at the window's start.
  private(set) var number = 1

  /// Gives the next line, without and with its comment, to `body`, which says whether it took it.
  ///
  /// - Returns: false if `body` did not take it, or there is none.
  @discardableResult
  mutating func take(
    _ input: ByteInput, _ body: (Span<UInt8>, Span<UInt8>) throws(TextSyntaxError) -> Bool
  ) throws(TraceError) -> Bool {
    var end = Self.end(input)
    if end == nil {
      _ = try input.require(Self.limit + 1)
      end = Self.end(input)
    }
    let length = end ?? input.available
    guard length <= Self.limit else {
      throw TraceError(.badData, file: input.name, at: .line(number), "expected a line of at most \(Self.limit) bytes")
    }
    if end == nil && length == 0 { return false }
    do throws(TextSyntaxError) {
      let isTaken = try input.withBytes { (bytes) throws(TextSyntaxError) in
        let whole = bytes.extracting(0..<length)
        return try body(whole.extracting(0..<Self.commentStart(whole)), whole)
      }
      guard isTaken else { return false }
    } catch {
      throw TraceError(.badData, file: input.name, at: .line(number), error.message)
    }
    input.skip(end == nil ? length : length + 1)
    number += 1
    return true
  }

  /// Counts lines that were taken otherwise.
  mutating func pass(_ count: Int) { number += count }

  /// Where the line at the window's start ends, nil if its end is not in the window.
  private static func end(_ input: ByteInput) -> Int? {
    input.withBytes { bytes in
      let last = min(bytes.count, limit + 1)
      var index = 0
      while index < last {
        if bytes[index] == 0x0a { return index }
        index += 1
      }
      return nil
    }
  }

  private static func commentStart(_ line: Span<UInt8>) -> Int {
    var index = 0
    while index < line.count && line[index] != 0x23 { index += 1 }
    return index
  }
}
