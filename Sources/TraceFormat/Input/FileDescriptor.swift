internal import Glibc

/// An open file that is closed when nobody needs it any more.
final class FileDescriptor {
  let number: Int32

  init(owning number: Int32) { self.number = number }

  deinit { _ = close(number) }

  /// The kind and size of the file.
  var status: stat {
    var status = stat()
    // SAFETY: `status` is a whole `stat` that outlives the call.
    _ = unsafe fstat(number, &status)
    return status
  }

  /// The size in bytes of a regular file, or nil for anything else.
  var regularSize: UInt64? {
    let status = status
    return status.st_mode & S_IFMT == S_IFREG ? UInt64(status.st_size) : nil
  }
}

/// The system's words for its last error.
func systemMessage(_ code: Int32 = errno) -> String {
  // SAFETY: strerror returns a valid C string, copied at once.
  unsafe String(cString: strerror(code))
}
