import Paging
import XCTest

@testable import Machine

/// The balloon driver of the modelled kernel, and a second domain that takes what it gives back.
final class BalloonTests: XCTestCase {
  private static let ram: UInt64 = 96

  private func machine(_ settings: [String]) throws -> Processor<DirectBackend> {
    var configuration = Configuration(mode: .direct, machine: .roomy, guest: .process)
    configuration.checks = true
    for setting in ["direct.spare=0", "balloon.second=4", "guest.reclaim=1"] + settings {
      let parts = setting.split(separator: "=").map(String.init)
      XCTAssertNil(configuration.settings.set(parts[0], to: parts[1]), setting)
    }
    return try Processor<DirectBackend>(configuration)
  }

  private func batch(_ number: UInt64, _ operation: Paging.Operation, _ text: String? = nil) -> OperationBatch {
    var batch = OperationBatch()
    batch.removeAll(first: number)
    if let text { batch.append(operation, string: text) } else { batch.append(operation) }
    return batch
  }

  /// Two domains, one grows where the other shrinks, in random order and by random schedules: no frame is lost or doubled
  /// at any step, what a domain gets is empty, and the kernel's and Xen's books agree.
  func testFramesAreConservedAndEmpty() throws {
    for seed in seeds(12) {
      var dice = SplitMix64(seed: seed)
      var keys = [
        "guest.direct-map=" + dice.pick(["none", "4K"]), "direct.batch=" + dice.pick(["none", "until-flush"]),
      ]
      if dice.oneIn(2) { keys.append("balloon.schedule=5:60,30:45,31:90,60:\(40 + dice.below(60))") }
      var processor = try machine(keys)
      try processor.replay(batch(0, Operation(.ram, Self.ram << 12)))
      var held: [MPN] = []
      for number in 1...120 as ClosedRange<UInt64> {
        let before = held
        try step(&processor, number, &held, &dice)
        XCTAssertNil(
          problem(&processor, held, new: held.filter { !before.contains($0) }), "seed \(seed), step \(number)")
      }
      XCTAssertEqual(processor.machine.counters.divergences, 0, "seed \(seed)")
      XCTAssertGreaterThan(processor.machine.counters.balloonGiven, 0, "seed \(seed)")
    }
  }

  private func step(
    _ processor: inout Processor<DirectBackend>, _ number: UInt64, _ held: inout [MPN], _ dice: inout SplitMix64
  ) throws {
    switch dice.below(8) {
    case 0: try processor.replay(batch(number, Operation(.balloon, UInt64(40 + dice.below(70)))))
    case 1, 2:
      try processor.replay(batch(number, Operation(.vm, 1)))
      let isGrowing = dice.oneIn(2) || held.isEmpty
      let frame = held.first.map { String($0.address.raw, radix: 16) } ?? "0"
      let text = isGrowing ? "memory_op increase_reservation 1" : "memory_op decrease_reservation \(frame)"
      let heap = processor.backend.xen.frames.heap
      try processor.replay(batch(number, Operation(.hypercall), text))
      if !isGrowing { held.removeFirst() } else if let last = heap.last { held.append(last) }
      try processor.replay(batch(number, Operation(.vm, 0)))
    default:
      let page = UInt64(dice.below(40)) << 12
      let kind: Paging.Operation.Kind = dice.oneIn(3) ? .load : .store
      try processor.replay(batch(number, Operation(kind, 0x10_0000 | page, size: 8, flags: .user)))
    }
  }

  private func problem(_ processor: inout Processor<DirectBackend>, _ held: [MPN], new: [MPN]) -> String? {
    let frames = processor.backend.xen.frames.pages(of: .guest, processor.machine)
    let others = processor.backend.xen.frames.pages(of: DomainID(1), processor.machine)
    let free = UInt64(processor.backend.xen.frames.heap.count)
    if frames + others + free != Self.ram { return "\(frames) and \(others) frames, \(free) free" }
    if others != UInt64(held.count) { return "domain 1 has \(others) frames, got \(held.count)" }
    if let kernel = processor.kernel, UInt64(kernel.balloon.pages.count) + frames != Self.ram {
      return "\(kernel.balloon.pages.count) pages in the balloon, \(frames) frames"
    }
    for entry in processor.cpus.running.data.entries() + processor.cpus.running.second.entries()
    where entry.data & TLBData.allowed != 0 {
      let isOwned = processor.backend.xen.frames.isOwned(
        TLBData.frame(entry.data), by: .guest, processor.machine)
      if !isOwned { return "the TLB leads to a frame that the guest has given back" }
    }
    for frame in new {
      for index in 0..<512 where processor.machine.memory.read(frame.entryAddress(index: index)) != 0 {
        return "frame \(String(frame.raw, radix: 16)) comes with contents"
      }
    }
    return processor.backend.xen.violatedInvariant(processor.machine) ?? processor.violatedKernelInvariant()
  }

  /// What is not there is tried for again after 1, 2, 4 … 32, 32 seconds (Linux, `schedule_delay`).
  func testBackOffDoublesUpToItsLimit() throws {
    var processor = try machine(["balloon.second=1"])
    try processor.replay(batch(0, Operation(.ram, Self.ram << 12)))
    try processor.replay(batch(1, Operation(.balloon, 80)))
    try processor.replay(batch(1, Operation(.vm, 1)))
    try processor.replay(batch(1, Operation(.hypercall), "memory_op increase_reservation 16"))
    try processor.replay(batch(1, Operation(.vm, 0)))
    var tries: [UInt64] = []
    for number in 2...128 as ClosedRange<UInt64> {
      let before = processor.machine.counters.balloonRetries
      // The driver runs when the kernel does.
      let operation = number == 2 ? Operation(.balloon, 96) : Operation(.switchProcess, 1)
      try processor.replay(batch(number, operation))
      if processor.machine.counters.balloonRetries > before { tries.append(number) }
    }
    XCTAssertEqual(zip(tries, tries.dropFirst()).map { $1 - $0 }, [1, 2, 4, 8, 16, 32, 32])
  }

  /// More than there is cannot be given: the driver leaves the kernel its last pages, and says so by trying again.
  func testDriverLeavesTheKernelItsReserve() throws {
    var processor = try machine([])
    try processor.replay(batch(0, Operation(.ram, Self.ram << 12)))
    for page in 0..<20 as Range<UInt64> {
      try processor.replay(batch(1 + page, Operation(.store, 0x10_0000 | page << 12, size: 8, flags: .user)))
    }
    try processor.replay(batch(30, Operation(.balloon, 0)))
    let kernel = try XCTUnwrap(processor.kernel)
    XCTAssertEqual(kernel.frames.free, 1)
    XCTAssertNotNil(kernel.balloon.retry)
    XCTAssertGreaterThan(processor.machine.counters.guestPagesSwappedOut, 0, "it reclaims for the balloon")
    // The processes go on, from swap.
    try processor.replay(batch(31, Operation(.balloon, 96)))
    for page in 0..<20 as Range<UInt64> {
      try processor.replay(batch(32 + page, Operation(.load, 0x10_0000 | page << 12, size: 8, flags: .user)))
    }
    XCTAssertEqual(processor.machine.counters.divergences, 0)
    XCTAssertEqual(processor.kernel?.balloon.pages.count, 0)
  }
}
