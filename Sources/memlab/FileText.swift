import Glibc

/// Whole files of text.
enum FileText {
  /// The bytes of a file.
  static func bytes(_ path: String) throws(Failure) -> [UInt8] {
    // SAFETY: the path lives through the call.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure(.noInput, "\(path): \(Output.reason(errno))") }
    defer { close(descriptor) }
    return try bytes(of: descriptor, path)
  }

  /// What an open file has from where it stands.
  static func bytes(of descriptor: Int32, _ path: String) throws(Failure) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      // SAFETY: the pointer and the count are those of one buffer that lives through the call.
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count == 0 { return bytes }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw Failure(.noInput, "\(path): \(Output.reason(errno))") }
      bytes += chunk[..<count]
    }
  }

  static func text(_ path: String) throws(Failure) -> String { String(decoding: try bytes(path), as: UTF8.self) }
}
