extension ByteInput {
  /// Gives the window's bytes to `body`.
  func withBytes<Result, Failure: Error>(
    _ body: (Span<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // SAFETY: the span cannot outlive the call, and the buffer outlives it.
    try unsafe withUnsafeBytes { (bytes) throws(Failure) in
      try unsafe body(Span(_unsafeBytes: bytes))
    }
  }

  /// Gives the window's whole little-endian 64-bit words to `body`. The window must be at a multiple of 8 bytes.
  func withWords<Result, Failure: Error>(
    _ body: (Span<UInt64>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // SAFETY: as above; the buffer is aligned, the window starts at a multiple of 8 in it (checked by the span), and
    // every bit pattern is a valid number. The hosts that memlab runs on are little-endian.
    try unsafe withUnsafeBytes { (bytes) throws(Failure) in
      let whole = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count & ~7)])
      return try unsafe body(Span(_unsafeBytes: whole))
    }
  }

  /// Up to `count` bytes from the window's start, fewer only at the trace's end.
  func peek(_ count: Int) throws(TraceError) -> [UInt8] {
    _ = try require(count)
    return withBytes { bytes in (0..<min(count, bytes.count)).map { bytes[$0] } }
  }

  /// An error at the window's start.
  func badData(_ message: String) -> TraceError { badData(at: position, message) }

  func badData(at offset: UInt64, _ message: String) -> TraceError {
    TraceError(.badData, file: name, at: .offset(offset), message)
  }

  /// The error of a trace that ends where more has to come.
  func cutOff(expected: String) -> TraceError {
    badData(at: position + UInt64(available), "cut off, expected \(expected)")
  }
}
