import Foundation
import XCTest

/// `memlab record`, `memlab generate` and `memlab workloads`.
final class RecordTests: XCTestCase {
  private static let hasValgrind = FileManager.default.isExecutableFile(atPath: "/usr/bin/valgrind")

  /// The lines of a text trace that are no accesses.
  private func events(_ text: String) -> [String] {
    text.split(separator: "\n").map(String.init).filter { !"rwx#".contains($0.prefix(1)) }
  }

  /// A shell that starts a program: its child is forked, runs, becomes another program and exits, all in one trace.
  func testRecordsChildren() throws {
    let folder = try TemporaryFolder()
    let result = try Program.run(["record", "-o", folder.path("t.txt"), "--", "sh", "-c", "/bin/true; exit 3"])
    guard Self.hasValgrind else {
      XCTAssertEqual(result.status, 69, result.errors)
      XCTAssertTrue(result.errors.contains("needs the program valgrind"), result.errors)
      return
    }
    XCTAssertEqual(result.status, 3, "the program's own status; \(result.errors)")
    let events = events(try folder.read("t.txt"))
    XCTAssertEqual(events.prefix(2), ["memlab-trace 1", "guest process"])
    let order = events.filter { line in
      ["fork", "exec", "exit", "switch"].contains { line.hasPrefix($0 + " ") }
    }
    let child = try XCTUnwrap(order.first { $0.hasPrefix("fork 1 ") }).dropFirst("fork 1 ".count)
    XCTAssertEqual(
      order.filter { !$0.hasPrefix("switch") }, ["fork 1 \(child)", "exec \(child)", "exit \(child)", "exit 1"])
    XCTAssertTrue(events.contains { $0.hasPrefix("map ") && $0.contains(" rxf ") }, "libraries are mapped")
    let replay = try Program.run(["replay", folder.path("t.txt"), "--mode", "all", "--check", "--quiet"])
    XCTAssertEqual(replay.status, 0, replay.errors)
  }

  func testAnInterruptLeavesATrace() throws {
    guard Self.hasValgrind else { return try testRecordsChildren() }
    let folder = try TemporaryFolder()
    let process = Process()
    process.executableURL = Program.url
    process.arguments = ["record", "-o", folder.path("t.bin"), "--", "sh", "-c", "while :; do :; done"]
    process.standardError = FileHandle.nullDevice
    try process.run()
    let deadline = Date(timeIntervalSinceNow: 60)
    while Date() < deadline {
      let part = folder.files.first { $0.hasSuffix(".part") }
      let size = try part.map { try FileManager.default.attributesOfItem(atPath: folder.path($0))[.size] as? Int ?? 0 }
      if size ?? 0 > 0 { break }
      usleep(50_000)
    }
    kill(process.processIdentifier, SIGINT)
    process.waitUntilExit()
    XCTAssertEqual(process.terminationStatus, 130)
    XCTAssertEqual(folder.files, ["t.bin"])
    let inspection = try Program.run(["inspect", folder.path("t.bin")])
    XCTAssertEqual(inspection.status, 0, inspection.errors)
    XCTAssertTrue(inspection.output.hasPrefix("t: a process trace\n"))
  }

  func testBadUse() throws {
    let folder = try TemporaryFolder()
    let cases: [([String], Int32, String)] = [
      (["record", "-o", folder.path("t.bin")], 64, "expected -- and a program"),
      (["record", "--", "true"], 64, "expected -o FILE"),
      (["record", "x", "-o", folder.path("t.bin"), "--", "true"], 64, "one operand too many"),
      (["record", "-o", folder.path("t"), "--", "true"], 64, "neither .bin nor .txt"),
      (
        ["record", "-o", folder.path("t.bin"), "--", folder.path("no-such-program")], Self.hasValgrind ? 66 : 69,
        "memlab: "
      ),
      (["generate", "gusp", "-o", "t.bin"], 64, "did you mean 'gups'?"),
      (["generate", "gups"], 64, "expected -o FILE"),
      (["generate", "gups", "-o", "t.bin", "--set", "page=1"], 64, "did you mean 'pages'?"),
      (["generate", "gups", "-o", "t.bin", "--set", "pages=0"], 64, "expected a whole number from 1"),
      (["generate", "gups", "-o", "t.bin", "--set", "pages"], 64, "expected KEY=VALUE"),
      (["generate", "gups", "-o", "t.bin", "--seed", "x"], 64, "--seed x: expected a whole number"),
    ]
    for (words, status, message) in cases {
      let result = try Program.run(words)
      XCTAssertEqual(result.status, status, "\(words): \(result.errors)")
      XCTAssertTrue(result.errors.contains(message), "\(words): \(result.errors)")
    }
    XCTAssertEqual(folder.files, [])
  }

  func testGenerate() throws {
    let folder = try TemporaryFolder()
    let list = try Program.run(["workloads"])
    XCTAssertEqual(list.status, 0)
    let names = list.output.split(separator: "\n").filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }
      .map { String($0.dropFirst(2)) }
    XCTAssertEqual(names.count, 15)
    let words = ["generate", "gups", "--set", "pages=16", "--set", "updates=1K", "--seed", "5"]
    XCTAssertEqual(try Program.run(words + ["-o", folder.path("a.bin")]).status, 0)
    XCTAssertEqual(try Program.run(words + ["-o", folder.path("a.txt")]).status, 0)
    let text = try Program.run(["convert", folder.path("a.bin"), "-", "--to", "text"])
    XCTAssertEqual(text.output, try folder.read("a.txt"))
    XCTAssertTrue(text.output.contains("note workload gups\nnote seed 5\nnote pages 16\nnote updates 1024\n"))
    let replay = try Program.run(
      ["replay", folder.path("a.bin"), "--mode", "native", "--set", "guest.zero-page=off", "--csv", "-"])
    let rows = replay.output.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    let column = try XCTUnwrap(rows.first?.firstIndex(of: "true_faults"))
    XCTAssertEqual(rows.last?[column], "16", "one fault a page")
  }

  /// A text of lackey's through a pipe, by content and by name.
  func testConvertLackey() throws {
    let lackey = "==9== Lackey, an example Valgrind tool\nI  1000,2\n L 2000,8\n"
    for words in [["convert", "-", "-", "--to", "text"], ["convert", "-", "-", "--to", "text", "--format", "lackey"]] {
      let result = try Program.run(words, input: lackey)
      XCTAssertEqual(
        result.output, "memlab-trace 1\nguest process\nnote source lackey\nx 1000\nr 2000\n", result.errors)
    }
    let bad = try Program.run(["convert", "-", "-", "--to", "text"], input: lackey + "oops\n")
    XCTAssertEqual(bad.status, 65)
    XCTAssertTrue(bad.errors.contains("standard input: line 4: expected an access"), bad.errors)
  }
}
