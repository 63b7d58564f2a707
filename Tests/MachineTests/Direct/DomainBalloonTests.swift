import Paging
import XCTest

@testable import Machine

/// Two modelled kernels whose balloon drivers move frames from one to the other, on a machine that has fewer frames than
/// both together may have.
final class DomainBalloonTests: XCTestCase {
  /// One shrinks while the other grows, under random targets and schedules: frames are conserved at every step, what is
  /// free is empty, and at the end the targets are reached, or it is known why they are not.
  func testFramesMoveAndContentsDoNot() throws {
    for seed in seeds(4) {
      var dice = SplitMix64(seed: seed)
      var pair = try Pair.build(&dice)
      var moved: UInt64 = 0
      for step in 0..<150 {
        try pair.step(&dice)
        if let problem = pair.problem() { return XCTFail("seed \(seed), step \(step): \(problem)") }
      }
      for (first, second) in [(30, 96), (96, 30)] as [(UInt64, UInt64)] {
        try pair.replay(0, Operation(.balloon, first))
        try pair.replay(1, Operation(.balloon, second))
        // The drivers run when the kernels do, at the latest after 32 seconds.
        for _ in 0..<150 { for index in 0...1 { try pair.replay(index, Operation(.switchProcess, 1)) } }
        if let problem = pair.problem() { return XCTFail("seed \(seed), \(first) and \(second): \(problem)") }
        for index in 0...1 {
          if let problem = pair.shortfall(index) { return XCTFail("seed \(seed), domain \(index): \(problem)") }
          moved += pair.at(index) { $0.machine.counters.balloonTaken }
          XCTAssertEqual(pair.at(index) { $0.machine.counters.divergences }, 0, "seed \(seed)")
        }
      }
      XCTAssertGreaterThan(moved, 40, "seed \(seed)")
    }
  }
}

extension DomainBalloonTests {
  /// A third domain's calls may be anybody's, but not those of one that makes its own.
  func testNobodyCallsForADomainWithATrace() throws {
    var dice = SplitMix64(seed: 1)
    var pair = try Pair.build(&dice)
    try pair.replay(0, Operation(.vm, 1))
    XCTAssertThrowsError(try pair.replay(0, Operation(.hypercall), "memory_op current_reservation"))
  }
}

/// The two domains, and a third one that has what is missing.
private struct Pair: ~Copyable {
  private static let ram: UInt64 = 96
  private let host: XenHost
  private var first: Processor<DirectBackend>
  private var second: Processor<DirectBackend>
  private var number: UInt64 = 0

  private init(
    _ host: XenHost, _ first: consuming Processor<DirectBackend>, _ second: consuming Processor<DirectBackend>
  ) {
    self.host = host
    self.first = first
    self.second = second
  }

  static func build(_ dice: inout SplitMix64) throws -> Pair {
    let host = XenHost()
    let first = try processor(host, &dice)
    let second = try processor(host, &dice)
    var pair = Pair(host, first, second)
    for index in 0...1 {
      try pair.replay(index, Operation(.ram, ram << 12))
      try pair.replay(index, Operation(.balloon, 50))
    }
    try pair.replay(0, Operation(.vm, 9))
    try pair.replay(0, Operation(.hypercall), "memory_op increase_reservation 70")
    try pair.replay(0, Operation(.vm, 0))
    return pair
  }

  private static func processor(_ host: XenHost, _ dice: inout SplitMix64) throws -> Processor<DirectBackend> {
    var configuration = Configuration(mode: .direct, machine: .roomy, guest: .process)
    configuration.checks = true
    configuration.domain = host.nextDomain()
    var keys = ["direct.spare=0", "balloon.second=4", "guest.reclaim=\(dice.pick([1, 4]))"]
    keys.append("guest.direct-map=" + dice.pick(["none", "4K"]))
    keys.append("direct.batch=" + dice.pick(["none", "until-flush"]))
    if dice.oneIn(2) { keys.append("balloon.schedule=100:\(40 + dice.below(50)),200:35,300:\(40 + dice.below(50))") }
    for key in keys {
      let parts = key.split(separator: "=").map(String.init)
      XCTAssertNil(configuration.settings.set(parts[0], to: parts[1]), key)
    }
    var processor = try Processor<DirectBackend>(configuration)
    host.join(&processor.backend, configuration.domain)
    return processor
  }

  /// Does something while the machine is the domain's.
  mutating func at<Result>(_ index: Int, _ body: (inout Processor<DirectBackend>) throws -> Result) rethrows -> Result {
    if index == 0 {
      host.lend(&first)
      defer { host.takeBack(&first) }
      return try body(&first)
    }
    host.lend(&second)
    defer { host.takeBack(&second) }
    return try body(&second)
  }

  mutating func replay(_ index: Int, _ operation: Paging.Operation, _ text: String? = nil) throws {
    var batch = OperationBatch()
    batch.removeAll(first: number)
    if let text { batch.append(operation, string: text) } else { batch.append(operation) }
    number += 1
    try at(index) { try $0.replay(batch) }
  }

  mutating func step(_ dice: inout SplitMix64) throws {
    let index = dice.below(2)
    if dice.oneIn(6) { return try replay(index, Operation(.balloon, UInt64(30 + dice.below(70)))) }
    let page = UInt64(dice.below(40)) << 12
    let kind: Paging.Operation.Kind = dice.oneIn(3) ? .load : .store
    try replay(index, Operation(kind, 0x10_0000 | page, size: 8, flags: .user))
  }

  /// What must not be, with either domain's eyes.
  mutating func problem() -> String? {
    for index in 0...1 {
      if let problem = at(index, { Self.problem(&$0) }) { return "domain \(index): \(problem)" }
    }
    return nil
  }

  private static func problem(_ processor: inout Processor<DirectBackend>) -> String? {
    let pages = [DomainID(0), DomainID(1), DomainID(9)].map {
      processor.backend.xen.frames.pages(of: $0, processor.machine)
    }
    let heap = processor.backend.xen.frames.heap
    if pages.reduce(0, +) + UInt64(heap.count) != 2 * ram { return "\(pages) frames, \(heap.count) free" }
    for frame in heap {
      for index in 0..<512 where processor.machine.memory.read(frame.entryAddress(index: index)) != 0 {
        return "the free frame \(String(frame.raw, radix: 16)) has words of a table"
      }
      if processor.machine.contents?[frame] ?? 0 != 0 {
        return "the free frame \(String(frame.raw, radix: 16)) has what a process stored"
      }
    }
    guard let kernel = processor.kernel else { return "no kernel" }
    let own = pages[Int(processor.machine.domain.raw)]
    if UInt64(kernel.balloon.pages.count) + own != ram {
      return "\(kernel.balloon.pages.count) pages in the balloon, \(own) frames"
    }
    return processor.backend.violatedInvariant(processor.cpus.running, &processor.machine)
      ?? processor.violatedKernelInvariant()
  }

  /// Why a domain has not what it was told to have is known: it waits, since the machine has no frame left, or the kernel
  /// no page that it can spare.
  mutating func shortfall(_ index: Int) -> String? {
    at(index) { processor in
      guard let kernel = processor.kernel, let target = kernel.balloon.target else { return "no target" }
      let frames = processor.backend.xen.frames.pages(of: processor.machine.domain, processor.machine)
      if frames == min(target, Self.ram) { return nil }
      if kernel.balloon.retry == nil { return "\(frames) frames, target \(target), and no try to come" }
      if frames < target {
        let free = processor.backend.xen.frames.heap.count
        return free == 0 ? nil : "\(frames) frames, target \(target), \(free) free"
      }
      let reserve = UInt64(processor.machine.settings.guest.reclaimBatch)
      return kernel.frames.free <= reserve ? nil : "\(frames) frames, target \(target), \(kernel.frames.free) to spare"
    }
  }
}
