internal import Glibc

/// The bytes of a file or of standard input as they lie there, packed or not.
final class RawSource {
  let name: String
  private let descriptor: FileDescriptor
  /// Size of a regular file, nil for a pipe or a device.
  let size: UInt64?
  /// Bytes read so far.
  private(set) var consumed: UInt64 = 0

  /// Whether a path can be opened again without harm: a pipe would wait for somebody to write.
  static func isRegularFile(_ path: String) -> Bool { OutputFile.kind(of: path) == S_IFREG }

  /// Opens a file, or standard input for `-`.
  init(path: String) throws(TraceError) {
    let isStandardInput = path == "-"
    name = isStandardInput ? "standard input" : path
    // SAFETY: the calls read their arguments only.
    let number = unsafe isStandardInput ? fcntl(0, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { throw TraceError(.noInput, file: name, "cannot be opened: \(systemMessage())") }
    descriptor = FileDescriptor(owning: number)
    guard descriptor.status.st_mode & S_IFMT != S_IFDIR else {
      throw TraceError(.noInput, file: name, "is a directory, expected a trace")
    }
    size = descriptor.regularSize
  }

  /// Reads up to `count` bytes to `target`; 0 at the end.
  @unsafe func read(into target: UnsafeMutableRawPointer, count: Int) throws(TraceError) -> Int {
    while true {
      // SAFETY: the caller gives `count` writable bytes at `target`.
      let got = unsafe Glibc.read(descriptor.number, target, count)
      if got >= 0 {
        consumed += UInt64(got)
        return got
      }
      if errno != EINTR {
        throw TraceError(.inputOutput, file: name, at: .offset(consumed), "reading failed: \(systemMessage())")
      }
    }
  }

  /// Reads up to `count` bytes, fewer only at the end or if a pipe has no more at present; none at the end.
  func readChunk(_ count: Int) throws(TraceError) -> [UInt8] {
    var failure: TraceError?
    // SAFETY: `read` fills at most the `count` bytes that the array offers.
    let chunk = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      guard let base = buffer.baseAddress else { return }
      do throws(TraceError) {
        initialized = try unsafe read(into: UnsafeMutableRawPointer(base), count: count)
      } catch { failure = error }
    }
    if let failure { throw failure }
    return chunk
  }

  /// Moves to a byte offset of a regular file.
  func seek(to offset: UInt64) throws(TraceError) {
    guard size != nil, let target = Int(exactly: offset), lseek(descriptor.number, target, SEEK_SET) >= 0 else {
      throw TraceError(.usage, file: name, "cannot start in the middle: it is no regular file")
    }
    consumed = offset
  }
}
