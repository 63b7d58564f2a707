import Paging
import XCTest

@testable import Machine

/// The memory-tracing service at work against a plain model of it: random accesses by several mappings, a large one
/// among them, to pages that some of its clients watch, from the start or between marks; every call must come, in order,
/// and no other.
final class TraceCallsTests: XCTestCase {
  private struct Step {
    var page: UInt64
    /// By the first 4 KiB mapping, the second, or the 2 MiB one.
    var alias: Int
    var isStore: Bool
    /// No access: the watches begin, or end.
    var isMark = false
  }

  private struct Watch {
    var key: String
    var client: TraceClient
    var pages: Range<UInt64>
  }

  private static let pageCount: UInt64 = 4

  func testEveryCallComesAndNoOther() throws {
    for seed in seeds(40) {
      var random = SplitMix64(seed: seed)
      let watches = watches(&random)
      let atMarks = random.oneIn(2)
      let steps = (0..<60).map { _ in
        Step(
          page: UInt64(random.below(Int(Self.pageCount))), alias: random.below(3), isStore: random.oneIn(2),
          isMark: atMarks && random.oneIn(8))
      }
      let keys = [
        "nested.format": random.pick(["ept", "npt"]), "nested.ad": random.pick(["off", "on"]),
        "nested.page": random.pick(["4K", "2M", "1G"]), "nested.fill": random.pick(["lazy", "eager"]),
        "trace.when": atMarks ? "marks" : "start", "shadow.large": random.pick(["splinter", "keep"]),
      ]
      for mode in [Mode.shadow, .emulatedTLB, .nested] {
        guard try problem(steps, watches, mode, keys) != nil else { continue }
        let least = shrink(steps) { (try? problem($0, watches, mode, keys)) != .some(nil) }
        let what = try problem(least, watches, mode, keys) ?? ""
        XCTFail("MEMLAB_SEED=\(seed), \(mode), \(keys), \(watches), \(least): \(what)")
      }
    }
  }

  private func watches(_ random: inout SplitMix64) -> [Watch] {
    let all: [(String, TraceClient)] = [
      ("trace.device", .device), ("trace.rom", .readOnlyMemory), ("trace.cow", .copyOnWrite),
      ("trace.frame-buffer", .frameBuffer),
    ]
    return all.compactMap { key, client in
      guard !random.oneIn(3) else { return nil }
      let first = UInt64(random.below(Int(Self.pageCount)))
      let end = first + 1 + UInt64(random.below(Int(Self.pageCount - first)))
      return Watch(key: key, client: client, pages: first..<end)
    }
  }

  /// What the model says: at each moment of an access, those who watch it, in the order of ``TraceClient``.
  private func expected(_ steps: [Step], _ watches: [Watch], atMarks: Bool) -> [MemoryTraces.Call] {
    var copied: Set<UInt64> = []
    var isOn = !atMarks
    var calls: [MemoryTraces.Call] = []
    for step in steps {
      if step.isMark {
        isOn.toggle()
        copied = []
      }
      guard isOn && !step.isMark else { continue }
      let address = PhysicalAddress(0x20_0000 + step.page << 12)
      let here = watches.filter { $0.pages.contains(step.page) }
      func call(_ client: TraceClient, _ moment: TraceMoments) {
        guard here.contains(where: { $0.client == client }) else { return }
        if client == .copyOnWrite && !copied.insert(step.page).inserted { return }
        calls.append(MemoryTraces.Call(client: client, moment: moment, address: address))
      }
      if step.isStore {
        call(.device, .beforeWrite)
        call(.readOnlyMemory, .beforeWrite)
        call(.copyOnWrite, .beforeWrite)
        call(.frameBuffer, .afterWrite)
      } else {
        call(.device, .beforeRead)
      }
    }
    return calls
  }

  private func problem(
    _ steps: [Step], _ watches: [Watch], _ mode: Mode, _ keys: [String: String]
  ) throws -> String? {
    var guest = Guest()
    guest.append(.ram, 0x80_0000)
    let flags: EntryFlags = [.present, .writable, .user]
    for page in 0..<Self.pageCount {
      guest.map(0x10000 + page << 12, to: 0x20_0000 + page << 12, flags)
      guest.map(0x20000 + page << 12, to: 0x20_0000 + page << 12, flags)
    }
    guest.map(0x40_0000, to: 0x20_0000, flags, size: .large)
    guest.boot()
    for step in steps {
      let va = [0x10000, 0x20000, 0x40_0000][step.alias] + step.page << 12
      if step.isMark {
        guest.append(.mark)
      } else if step.isStore {
        guest.write(va)
      } else {
        guest.read(va)
      }
    }
    var configuration = Configuration(mode: mode, machine: .roomy, guest: .scenario)
    configuration.checks = true
    for (key, value) in keys { XCTAssertNil(configuration.settings.set(key, to: value)) }
    for watch in watches {
      let range =
        String(0x20_0000 + watch.pages.lowerBound << 12, radix: 16) + "+" + String(watch.pages.count << 12, radix: 16)
      XCTAssertNil(configuration.settings.set(watch.key, to: range))
    }
    let found =
      switch mode {
      case .shadow: try calls(guest, Processor<ShadowBackend>(configuration))
      case .nested: try calls(guest, Processor<NestedBackend>(configuration))
      default: try calls(guest, Processor<EmulatedTLBBackend>(configuration))
      }
    let wanted = expected(steps, watches, atMarks: keys["trace.when"] == "marks")
    if found == wanted { return nil }
    let index = zip(found, wanted).enumerated().first { $0.element.0 != $0.element.1 }?.offset
    return "call \(index ?? min(found.count, wanted.count)) of \(wanted.count): \(found.count) found"
  }

  private func calls<MMU: Backend & ~Copyable>(
    _ guest: Guest, _ processor: consuming Processor<MMU>
  ) throws -> [MemoryTraces.Call] {
    var processor = processor
    processor.machine.traces.journal = []
    var batch = OperationBatch()
    for item in guest.items { batch.append(item.operation, words: item.words) }
    try processor.replay(batch)
    processor.checkInvariants()
    XCTAssertEqual(processor.machine.log.divergences, [])
    return processor.machine.traces.journal ?? []
  }
}
