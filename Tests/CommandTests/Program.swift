import Foundation
import XCTest

/// Runs the built `memlab`, which lies beside the test bundle.
struct Program {
  var status: Int32
  var output: String
  var errors: String

  static let url: URL = {
    // The bundle of the tests, or on Linux the test program itself, is in the folder of the products.
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }?.bundleURL
    let folder = (bundle ?? URL(fileURLWithPath: CommandLine.arguments[0])).deletingLastPathComponent()
    return folder.appendingPathComponent("memlab")
  }()

  /// Runs it to its end; the output files stay small enough for pipes, or go to files.
  static func run(_ words: [String], input: String? = nil) throws -> Program {
    let process = Process()
    process.executableURL = url
    process.arguments = words
    let folder = try TemporaryFolder()
    let (output, errors) = (try folder.write("", to: "out"), try folder.write("", to: "err"))
    process.standardOutput = FileHandle(forWritingAtPath: output)
    process.standardError = FileHandle(forWritingAtPath: errors)
    if let input {
      let pipe = Pipe()
      process.standardInput = pipe
      try process.run()
      pipe.fileHandleForWriting.write(Data(input.utf8))
      try pipe.fileHandleForWriting.close()
    } else {
      process.standardInput = FileHandle.nullDevice
      try process.run()
    }
    process.waitUntilExit()
    return Program(
      status: process.terminationStatus, output: try String(contentsOfFile: output, encoding: .utf8),
      errors: try String(contentsOfFile: errors, encoding: .utf8))
  }
}

/// A folder that goes away with its owner.
final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("memlab-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appendingPathComponent(name).path }

  /// Writes a file and returns its path.
  func write(_ text: String, to name: String) throws -> String {
    try text.write(toFile: path(name), atomically: false, encoding: .utf8)
    return path(name)
  }

  func read(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

  var files: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []).sorted() }
}

/// A small trace: two mapped pages, three accesses, a CR3 load of the same root.
let smallTrace = """
  memlab-trace 1
  guest scenario
  ram 1048576
  cr3 1000
  table 1000 4
  0=2007
  table 2000 3
  0=3007
  table 3000 2
  0=4007
  table 4000 1
  0=7067 1=8067
  r 10 4
  w 1010
  cr3 1000
  R 20

  """

/// Number of operations of ``smallTrace``.
let smallTraceOperations = 10
