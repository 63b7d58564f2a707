import Foundation

@testable import TraceFormat

/// A directory of its own for one test, removed with it.
final class TestDirectory {
  let path: String

  init() throws {
    // In memory if possible: some tests write thousands of files.
    let memory = URL(filePath: "/dev/shm")
    let isThere = FileManager.default.isWritableFile(atPath: memory.path())
    let parent = isThere ? memory : FileManager.default.temporaryDirectory
    let url = parent.appending(path: "memlab-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path()
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of a file in it.
  func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file and returns its path.
  func write(_ bytes: some Sequence<UInt8>, _ name: String = "trace") throws -> String {
    let path = self(name)
    try Data(bytes).write(to: URL(filePath: path))
    return path
  }

  func write(text: String, _ name: String = "trace.txt") throws -> String { try write(text.utf8, name) }

  func read(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: self(name)))) }

  var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }
}
