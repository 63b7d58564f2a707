import Glibc

/// A whole file in memory.
enum FileBytes {
  /// More than any machine has: a wrong path must not fill the memory.
  private static let limit = 1 << 20

  static func read(_ path: String) throws(MachineError) -> [UInt8] {
    // SAFETY: the path lives through the call.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count <= limit {
      // SAFETY: the pointer and the count are those of one buffer that lives through the call.
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count == 0 { return bytes }
      if count < 0 {
        if errno == EINTR { continue }
        throw failure(path)
      }
      bytes += chunk[..<count]
    }
    throw MachineError(.badData, "\(path): larger than any machine file, expected JSON of 1 MiB at most")
  }

  private static func failure(_ path: String) -> MachineError {
    switch errno {
    case ENOENT: MachineError(.noInput, "\(path): no such file")
    case EACCES: MachineError(.noInput, "\(path): permission denied")
    case EISDIR: MachineError(.noInput, "\(path): is a folder, expected a machine file")
    default: MachineError(.noInput, "\(path): cannot be read")
    }
  }
}
