import Paging
import XCTest

@testable import Workloads

/// Closed forms of the synthetic traces that need no machine.
final class WorkloadTests: XCTestCase {
  private struct Step: Hashable {
    var operation: Paging.Operation
    var words: [UInt64]
  }

  private func steps(_ name: String, _ values: [String: UInt64], seed: UInt64 = 1) throws -> [Step] {
    var stream = try XCTUnwrap(Workload.named(name), name).stream(values, seed: seed)
    XCTAssertEqual(stream.header.guest, ["uniform-random", "nanobenchmark"].contains(name) ? .scenario : .process)
    var batch = OperationBatch()
    var steps: [Step] = []
    while stream.read(into: &batch) {
      XCTAssertEqual(batch.firstNumber, UInt64(steps.count))
      for index in 0..<batch.count {
        var operation = batch.operations[index]
        let words = Array(batch.payload(of: operation))
        operation.payload = 0
        steps.append(Step(operation: operation, words: words))
      }
    }
    return steps
  }

  private func pages(_ steps: [Step]) -> [UInt64] {
    steps.filter(\.operation.isAccess).map { $0.operation.address >> 12 }
  }

  private func count(_ steps: [Step], _ kind: Paging.Operation.Kind) -> Int {
    steps.count { $0.operation.kind == kind }
  }

  /// Small values for each, so that all can be run.
  private let small: [String: [String: UInt64]] = [
    "sequential": ["accesses": 9000], "stride": ["accesses": 9000], "gups": ["updates": 5000],
    "zipf": ["accesses": 9000], "pointer-chase": ["accesses": 9000], "hash-join": ["build": 4, "probe": 9, "table": 3],
    "fork-storm": ["pages": 50, "children": 9, "writes": 7], "fork-exec": ["pages": 9, "rounds": 5, "touched": 11],
    "map-churn": ["rounds": 99], "ping-pong": ["processes": 3, "rounds": 9], "large-page-mix": ["updates": 999],
    "producer-consumer": ["messages": 9], "phases": ["phase": 900],
    "uniform-random": ["footprint": 4, "accesses": 999], "nanobenchmark": ["stores": 9, "faults": 9],
  ]

  func testTheSameSeedGivesTheSameTrace() throws {
    XCTAssertEqual(Set(Workload.all.map(\.name)), Set(small.keys))
    let seeded: Set = ["gups", "zipf", "pointer-chase", "hash-join", "large-page-mix", "phases", "uniform-random"]
    for (name, values) in small {
      let first = try steps(name, values, seed: 7)
      XCTAssertFalse(first.isEmpty)
      XCTAssertEqual(first, try steps(name, values, seed: 7), name)
      XCTAssertEqual(first == (try steps(name, values, seed: 8)), !seeded.contains(name), name)
      XCTAssertTrue(first.allSatisfy { $0.operation.isUser == $0.operation.isAccess }, name)
    }
  }

  /// Every access goes to memory that its process has mapped, and only processes that live run.
  func testAccessesAreMapped() throws {
    for (name, values) in small where Workload.named(name)?.stream(values).header.guest == .process {
      var maps: [UInt64: Set<UInt64>] = [1: []]
      var running: UInt64 = 1
      for step in try steps(name, values) {
        let address = step.operation.address
        switch step.operation.kind {
        case .map: for page in address >> 12..<(address + step.words[0]) >> 12 { maps[running]?.insert(page) }
        case .unmap: for page in address >> 12..<(address + step.words[0]) >> 12 { maps[running]?.remove(page) }
        case .fork:
          XCTAssertNil(maps[step.words[0]])
          maps[step.words[0]] = maps[address]
        case .switchProcess:
          running = address
          if maps[address] == nil { maps[address] = [] }
        case .exec: maps[address] = []
        case .exit: maps[address] = nil
        default: XCTAssertEqual(maps[running]?.contains(address >> 12), true, "\(name): \(String(address, radix: 16))")
        }
      }
    }
  }

  func testScans() throws {
    let scan = try steps("sequential", ["pages": 3, "accesses": 512 * 7])
    XCTAssertEqual(pages(scan), (0..<7).flatMap { lap in Array(repeating: 0x1000000 + UInt64(lap) % 3, count: 512) })
    let column = try steps("stride", ["pages": 8, "stride": 12_288, "accesses": 16])
    XCTAssertEqual(pages(column).map { $0 - 0x1000000 }, (0..<16).map { UInt64($0) * 3 % 8 })
  }

  /// Each page gets its share of the updates: chi-squared with 63 degrees of freedom is below 103 with p = 0.999.
  func testRandomUpdatesAreUniform() throws {
    let updates = try steps("gups", ["pages": 64, "updates": 64_000]).filter(\.operation.isAccess)
    XCTAssertEqual(updates.count, 128_000)
    for index in stride(from: 0, to: updates.count, by: 2) {
      XCTAssertEqual(updates[index].operation.address, updates[index + 1].operation.address)
    }
    var counts = [UInt64: Double]()
    for page in pages(updates) { counts[page, default: 0] += 0.5 }
    XCTAssertEqual(counts.count, 64)
    XCTAssertLessThan(counts.values.reduce(0) { $0 + ($1 - 1000) * ($1 - 1000) / 1000 }, 103)
  }

  /// Within five standard deviations of what Zipf's law says, page by page.
  func testZipf() throws {
    let total = 200_000.0
    var counts = [UInt64: Double]()
    for page in pages(try steps("zipf", ["pages": 100, "exponent": 100, "accesses": UInt64(total)])) {
      counts[page - 0x1000000, default: 0] += 1
    }
    let harmonic = (1...100).reduce(0.0) { $0 + 1 / Double($1) }
    for rank in 1...100 {
      let probability = 1 / Double(rank) / harmonic
      let deviation = (total * probability * (1 - probability)).squareRoot()
      XCTAssertEqual(counts[UInt64(rank - 1)] ?? 0, total * probability, accuracy: 5 * deviation, "rank \(rank)")
    }
  }

  func testAPointerChaseVisitsEveryNodeOnceALap() throws {
    let nodes = 4 * 4096 / 64
    let loads = try steps("pointer-chase", ["pages": 4, "accesses": UInt64(3 * nodes)]).filter(\.operation.isAccess)
      .map(\.operation.address)
    for lap in 0..<3 { XCTAssertEqual(Set(loads[(lap * nodes)..<((lap + 1) * nodes)]).count, nodes) }
    XCTAssertEqual(Array(loads[..<nodes]), Array(loads[nodes..<(2 * nodes)]))
  }

  func testProcesses() throws {
    let storm = try steps("fork-storm", ["pages": 50, "children": 9, "writes": 7])
    XCTAssertEqual(count(storm, .store), 50 + 9 * 7)
    XCTAssertEqual([count(storm, .fork), count(storm, .exit), count(storm, .switchProcess)], [9, 9, 18])
    let shell = try steps("fork-exec", ["pages": 9, "rounds": 5, "touched": 11])
    XCTAssertEqual(count(shell, .store), 9 + 5 * 11)
    XCTAssertEqual([count(shell, .fork), count(shell, .exec), count(shell, .exit)], [5, 5, 5])
    let turns = try steps("ping-pong", ["processes": 3, "pages": 4, "rounds": 9])
    XCTAssertEqual([count(turns, .load), count(turns, .switchProcess), count(turns, .map)], [108, 27, 3])
    let churn = try steps("map-churn", ["pages": 5, "rounds": 99])
    XCTAssertEqual([count(churn, .map), count(churn, .store), count(churn, .unmap)], [99, 495, 99])
    let pipe = try steps("producer-consumer", ["processes": 4, "message": 640, "messages": 9])
    XCTAssertEqual([count(pipe, .load), count(pipe, .store), count(pipe, .switchProcess)], [270, 270, 36])
  }

  func testShares() throws {
    let join = try steps("hash-join", ["build": 2, "probe": 3, "table": 4])
    XCTAssertEqual([count(join, .load), count(join, .store)], [2 * 512 + 3 * 512, 512])
    let mix = try steps("large-page-mix", ["large": 4, "small": 7, "percent": 100, "updates": 500])
    XCTAssertTrue(pages(mix).allSatisfy { (0x1000000..<0x1000400).contains($0) })
    let none = try steps("large-page-mix", ["large": 4, "small": 7, "percent": 0, "updates": 500])
    XCTAssertEqual(Set(pages(none)).count, 7)
    let phases = pages(try steps("phases", ["pages": 100, "window": 10, "phase": 900, "phases": 12]))
    for phase in 0..<12 {
      let seen = Set(phases[(phase * 900)..<((phase + 1) * 900)].map { ($0 - 0x1000000) / 10 })
      XCTAssertEqual(seen, [UInt64(phase % 10)])
    }
  }

  func testValues() throws {
    let gups = try XCTUnwrap(Workload.named("gups"))
    XCTAssertEqual(try gups.value("4K", of: "pages"), 4096)
    XCTAssertThrowsError(try gups.value("0", of: "pages"))
    XCTAssertThrowsError(try gups.value("99999999999999G", of: "updates"))
    XCTAssertThrowsError(try gups.value("x", of: "pages"))
    XCTAssertThrowsError(try gups.value("1", of: "pagse")) { XCTAssertEqual($0 as? WorkloadError, .unknownKey) }
    XCTAssertNil(Workload.named("gup"))
  }

  /// The first numbers of xoshiro256** from the state 1, 2, 3, 4 and of the seeding, as the authors' C programs give them.
  func testRandomNumbers() {
    var random = Random(state: (1, 2, 3, 4))
    XCTAssertEqual((0..<4).map { _ in random.next() }, [11520, 0, 1_509_978_240, 1_215_971_899_390_074_240])
  }
}
