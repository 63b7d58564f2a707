import Glibc

/// Whole files of text.
enum FileText {
  /// A gibibyte: no table that people make is as long, and no computer lacks as much.
  static var limit: Int { 1 << 30 }

  /// The bytes of a file.
  static func bytes(_ path: String, upTo limit: Int = limit) throws(Failure) -> [UInt8] {
    // SAFETY: the path lives through the call.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure(.noInput, "\(path): \(Output.reason(errno))") }
    defer { close(descriptor) }
    return try bytes(of: descriptor, path, upTo: limit)
  }

  /// What an open file has from where it stands.
  static func bytes(of descriptor: Int32, _ path: String, upTo limit: Int = limit) throws(Failure) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      // SAFETY: the pointer and the count are those of one buffer that lives through the call.
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count == 0 { return bytes }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw Failure(.noInput, "\(path): \(Output.reason(errno))") }
      bytes += chunk[..<count]
      if bytes.count > limit {
        throw Failure(.badData, "\(path): is longer than \(limit >> 20) MiB, expected a text of that at most")
      }
      // No text has zeroes: a device, or a trace, is told at once.
      if bytes.count == count && chunk[..<count].contains(0) { throw Failure(.badData, "\(path): is no text") }
    }
  }

  static func text(_ path: String) throws(Failure) -> String { String(decoding: try bytes(path), as: UTF8.self) }
}
