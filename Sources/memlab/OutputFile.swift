import Glibc

/// A report on its way to a file: written beside it and renamed at the end, so that the file is never half written.
///
/// What is not a regular file, a terminal or `/dev/null` say, is written at once. A file that is dropped without
/// ``commit()`` leaves nothing behind.
final class OutputFile {
  private let name: String
  /// Where the bytes go until the end; nil if they go to their place at once.
  private let partialPath: String?
  private let path: String
  private var descriptor: Int32
  private var buffer: [UInt8] = []

  /// `-` and `/dev/stdout` are standard output. `inputs` are files that the command reads, which it must not replace.
  init(_ path: String, sparing inputs: [String] = []) throws(Failure) {
    try Self.check(path, isNoneOf: inputs)
    let isStandardOutput = Self.isStandardOutput(path)
    name = isStandardOutput ? "standard output" : path
    let target = Self.resolved(path)
    self.path = target
    let mode = isStandardOutput ? nil : Self.mode(of: target)
    if isStandardOutput {
      partialPath = nil
      descriptor = Output.standardOutput
    } else if let mode, mode & S_IFMT != S_IFREG {
      partialPath = nil
      descriptor = unsafe open(target, O_WRONLY | O_CLOEXEC)
    } else {
      let partial = "\(target).memlab-\(getpid())"
      partialPath = partial
      if unsafe mode != nil && access(target, W_OK) != 0 {
        throw Failure(.cannotCreate, "\(path): \(Output.reason(errno))")
      }
      descriptor = unsafe open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    }
    if descriptor < 0 { throw Failure(.cannotCreate, "\(path): \(Output.reason(errno))") }
  }

  deinit {
    if descriptor > 2 { close(descriptor) }
    if let partialPath, descriptor >= 0 { unsafe unlink(partialPath) }
  }

  /// A file that a command would replace must not be one that it reads, by whatever name.
  static func check(_ path: String, isNoneOf inputs: [String]) throws(Failure) {
    guard !isStandardOutput(path), let own = status(of: path), own.st_mode & S_IFMT == S_IFREG else { return }
    for input in inputs {
      guard let other = status(of: input), other.st_ino == own.st_ino, other.st_dev == own.st_dev else { continue }
      throw Failure(.usage, "\(path): is read by the same command, expected another file to write to")
    }
  }

  static func isStandardOutput(_ path: String) -> Bool { path == "-" || path == "/dev/stdout" || path == "/dev/fd/1" }

  func write(_ text: String) throws(Failure) {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= 1 << 16 { try flush() }
  }

  /// Puts the whole file in its place.
  func commit() throws(Failure) {
    try flush()
    guard descriptor > 2 else { return }
    let closing = close(descriptor)
    descriptor = -1
    guard let partialPath else { return }
    if unsafe closing == 0 && rename(partialPath, path) == 0 { return }
    let reason = Output.reason(errno)
    unsafe unlink(partialPath)
    throw Failure(.inputOutput, "\(name): \(reason)")
  }

  private func flush() throws(Failure) {
    try Output.write(buffer[...], to: descriptor, name: name)
    buffer.removeAll(keepingCapacity: true)
  }

  private static func mode(of path: String) -> mode_t? { status(of: path)?.st_mode }

  private static func status(of path: String) -> stat? {
    var status = stat()
    // SAFETY: the path and the structure live through the call.
    return unsafe stat(path, &status) == 0 ? status : nil
  }

  /// The file behind a symbolic link, which is to stay one.
  private static func resolved(_ path: String) -> String {
    // SAFETY: with no buffer given, realpath returns one of its own that is ours to free.
    guard let resolved = unsafe realpath(path, nil) else { return path }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }
}
