internal import Glibc

/// A program of the system that unpacks what is fed to it.
///
/// One thread does both: ``read(into:count:from:)`` feeds the program while it waits for its output. One socket is the
/// program's input and output: other than a pipe it is never inherited by a program that another thread starts, and
/// writing to a program that died is an error and no signal.
final class Decompressor {
  private let compression: Compression
  private let file: String
  private let process: pid_t
  private let channel: FileDescriptor
  private var isFeeding = true
  private var status: Int32?

  /// Packed bytes read but not yet taken by the program.
  private var pending: [UInt8]
  private var pendingStart = 0

  private static let chunk = 65_536

  /// Starts the program.
  ///
  /// - Parameters:
  ///   - start: the first bytes of the packed file, already read.
  ///   - file: its name, for messages.
  init(_ compression: Compression, start: [UInt8], file: String) throws(TraceError) {
    let ends = try Self.makeChannel(file: file)
    self.compression = compression
    self.file = file
    pending = start
    channel = ends.own
    process = try Self.spawn(compression, on: ends.program, file: file)
  }

  deinit {
    guard status == nil else { return }
    // The program may be blocked on its output, which nobody reads any more; it has nothing to tidy up.
    _ = kill(process, SIGKILL)
    var ignored: Int32 = 0
    // SAFETY: `ignored` outlives the call.
    while unsafe waitpid(process, &ignored, 0) == -1 && errno == EINTR {}
  }

  /// Reads up to `count` unpacked bytes to `target`, taking packed ones from `source` as the program asks for them.
  ///
  /// - Returns: the number of bytes, 0 at the end of a whole archive.
  /// - Throws: `badData` if the program failed: the archive is cut off or damaged.
  @unsafe func read(
    into target: UnsafeMutableRawPointer, count: Int, from source: RawSource
  ) throws(TraceError) -> Int {
    while true {
      try waitForOutput(feedingFrom: source)
      // SAFETY: the caller gives `count` writable bytes at `target`.
      let got = unsafe Glibc.read(channel.number, target, count)
      if got > 0 { return got }
      // A program that ended without taking all of its input resets the channel.
      if got == 0 || errno == ECONNRESET { break }
      if errno != EINTR { throw failure("reading from \(compression.program) failed: \(systemMessage())") }
    }
    try finish()
    return 0
  }

  /// Returns once the program's output can be read without waiting, or is at its end.
  private func waitForOutput(feedingFrom source: RawSource) throws(TraceError) {
    while true {
      var end = pollfd(fd: channel.number, events: Int16(isFeeding ? POLLIN | POLLOUT : POLLIN), revents: 0)
      // SAFETY: one element, as the call is told.
      let ready = unsafe poll(&end, 1, -1)
      if ready < 0 && errno != EINTR { throw failure("waiting for \(compression.program) failed: \(systemMessage())") }
      if ready < 0 { continue }
      if end.revents != Int16(POLLOUT) { return }
      try feedOnce(from: source)
    }
  }

  private func feedOnce(from source: RawSource) throws(TraceError) {
    if pendingStart == pending.count {
      pending = try source.readChunk(Self.chunk)
      pendingStart = 0
    }
    guard !pending.isEmpty else {
      stopFeeding()
      return
    }
    // SAFETY: the bytes pending[pendingStart...] are valid during the call.
    let sent = unsafe pending.withUnsafeBytes { bytes in
      unsafe send(
        channel.number, bytes.baseAddress.map { unsafe $0 + pendingStart }, bytes.count - pendingStart,
        Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    }
    if sent >= 0 {
      pendingStart += sent
    } else if errno != EINTR && errno != EAGAIN {
      // The program wants no more: its exit status will say why.
      stopFeeding()
    }
  }

  private func stopFeeding() {
    isFeeding = false
    _ = shutdown(channel.number, Int32(SHUT_WR))
  }

  /// Collects the program at the end of its output.
  private func finish() throws(TraceError) {
    guard status == nil else { return }
    var code: Int32 = 0
    // SAFETY: `code` outlives the call.
    while unsafe waitpid(process, &code, 0) == -1 && errno == EINTR {}
    status = code
    guard code != 0 else { return }
    let how = code & 0x7f == 0 ? "status \(code >> 8 & 0xff)" : "signal \(code & 0x7f)"
    throw TraceError(
      .badData, file: file,
      "\(compression.program) failed with \(how), expected a whole archive (it is cut off or damaged)")
  }

  private func failure(_ message: String) -> TraceError { TraceError(.inputOutput, file: file, message) }
}
