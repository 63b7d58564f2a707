internal import Glibc

/// What tells whether two files, or two texts, are the same: XXH64 with seed 0, as 16 hexadecimal digits (`xxhsum -H64`).
public enum ContentChecksum {
  public static func of(_ text: String) -> String { digits(Checksum.of(Array(text.utf8).span)) }

  /// The checksum of a file's bytes as they lie there, packed or not.
  ///
  /// - Throws: `noInput` if it is no regular file that can be read.
  public static func ofFile(_ path: String) throws(TraceError) -> String {
    // SAFETY: the path lives through the call.
    let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { throw TraceError(.noInput, file: path, "cannot be opened: \(systemMessage())") }
    let descriptor = FileDescriptor(owning: number)
    var status = stat()
    // SAFETY: the structure lives through the call.
    guard unsafe fstat(descriptor.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw TraceError(.noInput, file: path, "is no regular file")
    }
    let size = Int(status.st_size)
    if size == 0 { return of("") }
    guard let start = unsafe mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor.number, 0), unsafe start != MAP_FAILED
    else { throw TraceError(.noInput, file: path, "cannot be mapped: \(systemMessage())") }
    defer { unsafe munmap(start, size) }
    // SAFETY: the mapping has so many bytes and lives until this function returns.
    return digits(Checksum.of(unsafe UnsafeRawBufferPointer(start: start, count: size).bytes))
  }

  private static func digits(_ value: UInt64) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }
}
