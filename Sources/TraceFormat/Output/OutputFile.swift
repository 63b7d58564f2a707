internal import Glibc

/// A file that appears under its name only when it is whole: until then it is written under a name beside.
///
/// What is no regular file (standard output, a pipe, a device) is written directly.
final class OutputFile {
  let name: String
  /// Bytes written so far, those in the buffer included.
  private(set) var position: UInt64 = 0
  private let descriptor: FileDescriptor
  /// Names before and after the renaming; nil if written directly.
  private var renaming: (from: String, to: String)?
  private var buffer: [UInt8] = []
  private static var bufferSize: Int { 1 << 18 }

  /// Opens a file for writing, or standard output for `-`.
  init(path: String) throws(TraceError) {
    guard !path.isEmpty else { throw TraceError(.cannotCreate, file: "output", "cannot be created: it has no name") }
    name = path == "-" ? "standard output" : path
    if path == "-" {
      descriptor = try Self.checked(fcntl(1, F_DUPFD_CLOEXEC, 0), name)
    } else if let kind = Self.kind(of: path), kind != S_IFREG {
      descriptor = try Self.checked(unsafe open(path, O_WRONLY | O_CLOEXEC), name)
    } else {
      let target = Self.resolved(path)
      let temporary = try Self.openBeside(target, name)
      descriptor = temporary.descriptor
      renaming = (temporary.path, target)
    }
    buffer.reserveCapacity(Self.bufferSize)
  }

  deinit {
    // SAFETY: the call reads its argument only, as do those below that take paths.
    if let renaming { unsafe unlink(renaming.from) }
  }

  func write(_ bytes: [UInt8]) throws(TraceError) {
    buffer += bytes
    position += UInt64(bytes.count)
    if buffer.count >= Self.bufferSize { try flush() }
  }

  /// Writes what is left and gives the file its name.
  func finish() throws(TraceError) {
    try flush()
    guard let renaming else { return }
    guard unsafe rename(renaming.from, renaming.to) == 0 else { throw failure("cannot be renamed to") }
    self.renaming = nil
  }

  private func flush() throws(TraceError) {
    var done = 0
    while done < buffer.count {
      // SAFETY: the bytes buffer[done...] are valid during the call.
      let count = unsafe buffer.withUnsafeBytes { bytes in
        unsafe Glibc.write(descriptor.number, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done)
      }
      if count >= 0 {
        done += count
      } else if errno != EINTR {
        throw failure("writing failed")
      }
    }
    buffer.removeAll(keepingCapacity: true)
  }

  private func failure(_ what: String) -> TraceError {
    TraceError(.inputOutput, file: name, "\(what): \(systemMessage())")
  }
}

extension OutputFile {
  private static func checked(_ number: Int32, _ name: String) throws(TraceError) -> FileDescriptor {
    guard number >= 0 else { throw TraceError(.cannotCreate, file: name, "cannot be created: \(systemMessage())") }
    return FileDescriptor(owning: number)
  }

  /// The kind of file that the path names, nil if there is none.
  static func kind(of path: String) -> mode_t? {
    var status = stat()
    // SAFETY: `status` outlives the call.
    return unsafe stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
  }

  /// The path behind symbolic links, so that a link stays one; the path itself if there is no such file yet.
  private static func resolved(_ path: String) -> String {
    // SAFETY: realpath gives a C string of its own, copied and freed here.
    guard let real = unsafe realpath(path, nil) else { return path }
    defer { unsafe free(real) }
    return unsafe String(cString: real)
  }

  /// Makes a new file beside the target.
  private static func openBeside(
    _ target: String, _ name: String
  ) throws(TraceError) -> (path: String, descriptor: FileDescriptor) {
    for attempt in 0..<1000 {
      let path = "\(target).\(getpid())-\(attempt).part"
      let number = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if number < 0 && errno == EEXIST { continue }
      return (path, try checked(number, name))
    }
    throw TraceError(.cannotCreate, file: name, "cannot be created: 1000 unfinished files lie beside it")
  }
}
