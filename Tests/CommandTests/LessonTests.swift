import Foundation
import XCTest

/// The lessons among the scenarios: a question, what to run, and the answer.
final class LessonTests: XCTestCase {
  private static let traces = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("traces").path

  private func lessons() throws -> [(name: String, lines: [String])] {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.traces).filter { $0.hasSuffix(".txt") }
    return try names.sorted().compactMap { name in
      let text = try String(contentsOfFile: Self.traces + "/" + name, encoding: .utf8)
      let lines = text.split(separator: "\n").map(String.init)
      return lines.contains { $0.hasPrefix("# question: ") } ? (name, lines) : nil
    }
  }

  func testEachCanBeRunAsItSays() throws {
    let lessons = try lessons()
    XCTAssertGreaterThanOrEqual(lessons.count, 12)
    for (name, lines) in lessons {
      XCTAssertEqual(lines.count { $0.hasPrefix("# answer: ") }, 1, name)
      let run = try XCTUnwrap(lines.first { $0.hasPrefix("# run: memlab ") }, name)
      let words = run.dropFirst("# run: memlab ".count).split(separator: " ").map {
        $0.replacingOccurrences(of: "traces/", with: Self.traces + "/")
      }
      XCTAssertTrue(words.contains(Self.traces + "/" + name), "\(name) runs another trace")
      let result = try Program.run(words)
      XCTAssertEqual(result.status, 0, "\(name): \(result.errors)")
      XCTAssertFalse(result.output.isEmpty, name)
    }
  }

  func testTheListNamesThemAll() throws {
    let list = try String(contentsOfFile: Self.traces + "/README.md", encoding: .utf8)
    let section = try XCTUnwrap(list.range(of: "## Lessons")).upperBound
    for (name, _) in try lessons() { XCTAssertTrue(list[section...].contains("`\(name)`"), name) }
  }
}
