import Paging
import XCTest

@testable import Machine

/// The memory traces of the hypervisor: the books, and the calls that clients get.
final class MemoryTracesTests: XCTestCase {
  /// One call of the service; `moments` 0 ends a client's traces of the page.
  private struct Step {
    var page: UInt64
    var client: TraceClient
    var moments: UInt8
  }

  /// The service against a plain model of it: a set of (page, client, moment).
  func testTheServiceAgreesWithAPlainModel() {
    let pages: [UInt64] = [0, 1, 0x3ffff, 0x40000, 0xff_ffff_ffff]
    for seed in seeds(40) {
      var random = SplitMix64(seed: seed)
      let steps = (0..<400).map { _ in
        Step(
          page: random.pick(pages), client: random.pick(TraceClient.allCases),
          moments: random.oneIn(3) ? 0 : UInt8(1 + random.below(7)))
      }
      guard difference(steps, pages) != nil else { continue }
      let least = shrink(steps) { difference($0, pages) != nil }
      XCTFail("MEMLAB_SEED=\(seed), \(least): \(difference(least, pages) ?? "")")
    }
  }

  /// What the service and the model disagree about after the steps, nil if about nothing.
  private func difference(_ steps: [Step], _ pages: [UInt64]) -> String? {
    var traces = MemoryTraces()
    var model: Set<[Int]> = []
    for step in steps {
      let (page, client) = (Int(step.page), Int(step.client.rawValue))
      let before = protection(step.page, model)
      let returned: PageProtection
      if step.moments == 0 {
        model = model.filter { $0[0] != page || $0[1] != client }
        returned = traces.unwatch(PPN(step.page), for: step.client)
      } else {
        for bit in 0..<3 where step.moments >> UInt8(bit) & 1 == 1 { model.insert([page, client, bit]) }
        returned = traces.watch(PPN(step.page), TraceMoments(rawValue: step.moments), for: step.client)
      }
      if returned != before { return "\(returned) before, expected \(before)" }
      if traces.pages != Set(model.map { $0[0] }).count { return "\(traces.pages) pages" }
      for page in pages where !agrees(traces, page, model) { return "page \(page)" }
    }
    return nil
  }

  private func protection(_ page: UInt64, _ model: Set<[Int]>) -> PageProtection {
    let moments = model.filter { $0[0] == Int(page) }.map { $0[2] }
    return moments.isEmpty ? .none : moments.contains(0) ? .notPresent : .readOnly
  }

  private func agrees(_ traces: borrowing MemoryTraces, _ page: UInt64, _ model: Set<[Int]>) -> Bool {
    guard traces.protection(of: PPN(page)) == protection(page, model),
      traces.seesStores(to: PPN(page)) == model.contains(where: { $0[0] == Int(page) })
    else { return false }
    return (0..<3).allSatisfy { bit in
      let found = traces.watchers(of: PPN(page), TraceMoments(rawValue: 1 << UInt8(bit))).map { Int($0.rawValue) }
      return found == model.filter { $0[0] == Int(page) && $0[2] == bit }.map { $0[1] }.sorted()
    }
  }

  /// A level-1 table that maps itself at 20000, watched by a device, by copy-on-write, by the frame buffer and by the
  /// shadow tables; a store to it, then a load.
  func testFourClientsOfOnePageAreCalledInTheirOrder() throws {
    var guest = Guest()
    guest.map(0x10000, to: 0x20_0000)
    let table = guest.entry(0x10000) & ~0xfff
    guest.map(0x20000, to: table)
    guest.boot()
    guest.read(0x10000)
    guest.store(0x20_1027, at: table | 0x88, va: 0x20088)
    guest.read(0x20088)
    guest.store(0x20_2027, at: table | 0x90)
    let range = "\(String(table, radix: 16))+1000"
    var configuration = Configuration(mode: .shadow, machine: .roomy, guest: .scenario)
    for key in ["trace.device", "trace.cow", "trace.frame-buffer"] {
      XCTAssertNil(configuration.settings.set(key, to: range))
    }
    let calls = try calls(guest, configuration)
    let (first, second) = (PhysicalAddress(table | 0x88), PhysicalAddress(table | 0x90))
    XCTAssertEqual(
      calls.map { "\($0.client) \($0.moment.rawValue) \($0.address.raw == first.raw)" },
      [
        "device 2 true", "copyOnWrite 2 true", "frameBuffer 4 true", "shadowTables 4 true", "device 1 true",
        "device 2 false", "frameBuffer 4 false", "shadowTables 4 false",
      ])
    XCTAssertEqual(calls.last?.address, second)
  }

  private func calls(_ guest: Guest, _ configuration: Configuration) throws -> [MemoryTraces.Call] {
    var processor = try Processor<ShadowBackend>(configuration)
    processor.machine.traces.journal = []
    var batch = OperationBatch()
    for item in guest.items { batch.append(item.operation, words: item.words) }
    try processor.replay(batch)
    XCTAssertEqual(processor.machine.counters.traceFaultsShadow, 2)
    XCTAssertEqual(processor.machine.counters.traceFaultsDevice, 3)
    XCTAssertEqual(processor.machine.counters.traceFaultsCopyOnWrite, 1)
    XCTAssertEqual(processor.machine.counters.traceFaultsFrameBuffer, 2)
    XCTAssertEqual(processor.machine.counters.hiddenTrace, 3)
    return processor.machine.traces.journal ?? []
  }

  private func run(_ guest: Guest, _ mode: Mode, _ settings: [String: String]) throws -> Outcome {
    var wanted = Settings()
    for (key, value) in settings { XCTAssertNil(wanted.set(key, to: value)) }
    let outcome = try guest.run(mode, on: .roomy, wanted, batch: 1)
    XCTAssertEqual(outcome.divergences, [], "\(mode) \(settings)")
    return outcome
  }

  /// Two mappings of one page, read and written; both modes that trace.
  private var aliases: Guest {
    var guest = Guest()
    guest.map(0x10000, to: 0x20_0000)
    guest.map(0x11000, to: 0x20_0000)
    guest.boot()
    for va: UInt64 in [0x10000, 0x11000] {
      guest.read(va)
      guest.write(va + 8)
      guest.write(va + 0x800)
      guest.read(va)
    }
    return guest
  }

  func testARomSeesStoresWhateverTheAddressAndDropsThem() throws {
    for mode in [Mode.shadow, .emulatedTLB, .nested] {
      let counters = try run(aliases, mode, ["trace.rom": "200000+1000"]).counters
      XCTAssertEqual(counters.traceFaultsROM, 4, "\(mode)")
      XCTAssertEqual(counters.hiddenTrace, 4, "\(mode)")
    }
    var guest = Guest()
    guest.map(0x10000, to: 0x20_0000)
    guest.boot()
    guest.read(0x10000)
    guest.store(0x1234, at: 0x20_0000)
    guest.append(.readBack, 0x20_0000)
    for mode in [Mode.native, .shadow, .emulatedTLB, .nested] {
      let read = try run(guest, mode, ["trace.rom": "200000+1"]).events.last { $0.kind == .load }
      XCTAssertEqual(read?.value, 0, "\(mode)")
    }
  }

  func testAFrameBufferKnowsItsDirtyRows() throws {
    for mode in [Mode.shadow, .emulatedTLB, .nested] {
      let settings = ["trace.frame-buffer": "200000+1000", "trace.frame-buffer-row": "1024"]
      let counters = try run(aliases, mode, settings).counters
      XCTAssertEqual(counters.traceFaultsFrameBuffer, 4, "\(mode)")
      XCTAssertEqual(counters.frameBufferDirtyRows, 2, "\(mode)")
    }
  }

  func testADeviceSeesEveryAccess() throws {
    for mode in [Mode.shadow, .emulatedTLB, .nested] {
      let counters = try run(aliases, mode, ["trace.device": "200000+1000"]).counters
      XCTAssertEqual(counters.traceFaultsDevice, 8, "\(mode)")
      XCTAssertEqual(counters.hiddenTrace, 8, "\(mode)")
    }
  }

  /// One fault: the page gets a frame of its own. Shadow entries have to be filled again, one a mapping; a nested table
  /// has one for the page.
  func testCopyOnWriteEndsWithTheFirstStore() throws {
    for (mode, fills) in [(Mode.shadow, Optional(UInt64(3))), (.nested, nil), (.emulatedTLB, 3)] {
      var guest = aliases
      guest.read(0x10000)
      var early = Guest()
      early.map(0x10000, to: 0x20_0000, [.present, .writable, .user, .accessed, .dirty])
      early.map(0x11000, to: 0x20_0000, [.present, .writable, .user, .accessed, .dirty])
      early.boot()
      early.read(0x10000)
      early.read(0x11000)
      early.write(0x10000)
      early.write(0x11000)
      let counters = try run(early, mode, ["trace.cow": "200000+1000"]).counters
      XCTAssertEqual(counters.traceFaultsCopyOnWrite, 1, "\(mode)")
      XCTAssertEqual(counters.hiddenTrace, 1, "\(mode)")
      XCTAssertEqual(counters.hiddenOther, 0, "\(mode)")
      if let fills { XCTAssertEqual(counters.hiddenFill, fills, "\(mode)") }
      XCTAssertEqual(counters.framesCopied, 1, "\(mode)")
      XCTAssertEqual(try run(guest, mode, ["trace.cow": "200000+1000"]).counters.traceFaultsCopyOnWrite, 1)
    }
  }

  func testKeysSayWhatTheyExpect() {
    var settings = Settings()
    XCTAssertEqual(
      settings.set("trace.rom", to: "x"), "expected none, or START+LENGTH in hexadecimal bytes, at most 4 GiB")
    XCTAssertNotNil(settings.set("trace.rom", to: "0+100001000"))
    XCTAssertEqual(settings.set("trace.frame-buffer-row", to: "15"), "expected a number from 16 to 65536")
    XCTAssertNil(settings.set("trace.rom", to: "0x1ff8+10"))
    XCTAssertEqual(settings.traces.readOnlyMemory?.first, PPN(1))
    XCTAssertEqual(settings.traces.readOnlyMemory?.count, 2)
    XCTAssertNil(settings.set("trace.rom", to: "none"))
    XCTAssertNil(settings.traces.readOnlyMemory)
  }
}
