import Foundation
import Paging
import XCTest

@testable import Machine

/// The worked example of the article "Adding a backend": it compiles, it is right, and the article shows it as it is.
final class SegmentBackendTests: XCTestCase {
  /// A processor of any backend, for programs of the tests.
  private func run<MMU: Backend & ~Copyable>(_ backend: MMU.Type, _ mode: Mode, _ guest: Guest) throws -> (
    counters: Counters, faults: [Fault], tables: [UInt64: UInt64]
  ) {
    var configuration = Configuration(mode: mode, machine: .roomy, guest: .scenario)
    configuration.recordsEvents = true
    configuration.checks = true
    var processor = try Processor<MMU>(configuration)
    var batch = OperationBatch()
    for item in guest.items { batch.append(item.operation, words: item.words) }
    try processor.replay(batch)
    try processor.end()
    let faults = processor.machine.log.takeEvents().filter { $0.kind == .trueFault }.map {
      Fault(operation: $0.operation, va: $0.virtual?.raw ?? 0, code: $0.code?.rawValue)
    }
    XCTAssertEqual(processor.machine.counters.divergences, 0)
    return (processor.machine.counters, faults, processor.guestTables())
  }

  /// Faults, tables with A and D, and references are native's; the frames lie elsewhere, and there are no exits.
  func testItShowsTheGuestWhatNativeShows() throws {
    var guest = Guest()
    guest.map(0x10000, to: 0x20_0000)
    guest.map(0x11000, to: 0x20_1000, .readUser)
    guest.map(0x40_0000, to: 0x40_0000, size: .large)
    guest.boot()
    guest.read(0x10000)
    guest.write(0x10008)
    guest.write(0x11000)
    guest.read(0x12000)
    guest.read(0x41_2000)
    guest.fetch(0x11000)
    guest.store(0, at: guest.entry(0x10000))
    guest.invlpg(0x10000)
    guest.read(0x10000)
    let native = try run(NativeBackend.self, .native, guest)
    let segment = try run(SegmentBackend.self, .nested, guest)
    XCTAssertEqual(segment.faults, native.faults)
    XCTAssertEqual(segment.faults.count, 3)
    XCTAssertEqual(segment.tables, native.tables)
    XCTAssertEqual(segment.counters.walks, native.counters.walks)
    // Without paging-structure caches of its own every walk of it is whole.
    XCTAssertGreaterThanOrEqual(segment.counters.walkReferences, native.counters.walkReferences)
    XCTAssertEqual(segment.counters.walkReferences, segment.counters.walkReferencesGuest)
    XCTAssertEqual(segment.counters.exits, 0)
  }

  /// The article holds this file's code, word for word.
  func testTheArticleShowsThisCode() throws {
    let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let code = try String(contentsOf: here.appendingPathComponent("SegmentBackend.swift"), encoding: .utf8)
    let top = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let article = try String(
      contentsOf: top.appendingPathComponent("Sources/Machine/Machine.docc/AddingABackend.md"), encoding: .utf8)
    XCTAssertTrue(article.contains("```swift\n" + code + "```"), "copy the file into the article")
  }
}
