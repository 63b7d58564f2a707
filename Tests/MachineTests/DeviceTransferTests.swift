import Paging
import XCTest

@testable import Machine

/// Devices that reach the guest's memory by themselves, under hypervisors that have all frames: the three ways to translate
/// (`dma.translation`), each with and without a host that takes frames away.
final class DeviceTransferTests: XCTestCase {
  static let modes: [Mode] = [.nested, .shadow, .emulatedTLB]
  static let ways = ["copy", "list", "iommu"]
  static let data: UInt64 = 0x100_0000

  func settings(_ way: String, _ more: [(String, String)] = []) -> Settings {
    var settings = Settings()
    for (key, value) in [("dma.translation", way)] + more { XCTAssertNil(settings.set(key, to: value), key) }
    return settings
  }

  func guest(_ pages: UInt64, _ body: (inout Guest) -> Void) -> Guest {
    var guest = Guest()
    for page in 0..<pages { guest.map(0x40_0000 + page << 12, to: Self.data + page << 12) }
    guest.boot()
    body(&guest)
    return guest
  }

  func checked(_ run: HostRun) throws -> [Outcome] {
    let outcomes = try run.outcomes { host, _ in
      if let problem = host.violatedInvariant() { throw HostProblem(description: problem) }
    }
    for outcome in outcomes { XCTAssertEqual(outcome.divergences.count, 0, "\(outcome.divergences)") }
    return outcomes
  }

  /// What each way costs: an exit and copies, an exit for a list of 128 pages, a request for each page that the IOMMU does
  /// not know yet. A bare machine does nothing.
  func testWhatEachWayCosts() throws {
    let guest = guest(1) { guest in
      guest.read(0x40_0000)
      guest.dma(Self.data + 0x800, 200 << 12, writes: true)
      guest.dma(Self.data, 3 << 12, writes: false)
      guest.dma(Self.data + 0xfff, 1, writes: false)
      guest.dma(Self.data, 0, writes: false)
    }
    let native = try guest.run(.native).counters
    XCTAssertEqual(native.dmaPages, 201 + 3 + 1)
    XCTAssertEqual(native.exits + native.dmaTranslations + native.cyclesVirtualization, 0)
    for mode in Self.modes {
      let before = try self.guest(1) { $0.read(0x40_0000) }.run(mode).counters
      let all = try Self.ways.map { try guest.run(mode, settings($0)).counters }
      for c in all { XCTAssertEqual(c.dmaPages, native.dmaPages) }
      XCTAssertEqual(all.map { $0.exitOther - before.exitOther }, [3, 2 + 1 + 1, 201], "\(mode)")
      XCTAssertEqual(all.map(\.dmaCopied), [205, 0, 0])
      XCTAssertEqual(all.map(\.dmaPinned), [0, 205, 0])
      XCTAssertEqual(all.map(\.dmaRequests), [0, 0, 201])
      XCTAssertEqual(all.map(\.dmaTranslations), [0, 0, 205])
      XCTAssertEqual(all.map(\.iommuMaps), [0, 0, 201])
      // The IOTLB has 64 entries: the first pages of so many are gone.
      XCTAssertEqual(all.map(\.iotlbMisses), [0, 0, 204])
      XCTAssertEqual(all.map(\.dmaFaults), [0, 0, 0])
      XCTAssertEqual(all[0].cyclesVirtualization - before.cyclesVirtualization, 3 * 1700 + 205 * 2000)
      XCTAssertEqual(all[1].cyclesVirtualization - before.cyclesVirtualization, 4 * 1700 + 205 * 60)
      XCTAssertEqual(all[2].cyclesVirtualization - before.cyclesVirtualization, 201 * (1700 + 1000))
    }
  }

  /// A transfer ends at the first page that is no memory, or a device's of the hypervisor's own.
  func testTransferEndsWhereMemoryDoes() throws {
    for mode in Self.modes {
      for way in Self.ways {
        var guest = Guest()
        guest.append(.ram, 0x200_0000)
        guest.map(0x40_0000, to: Self.data)
        guest.boot()
        guest.dma(0x200_0000 - 0x2000, 0x4000, writes: true)
        guest.dma(0x180_0000, 0x2000, writes: false)
        guest.dma(.max - 10, 100, writes: false)
        let outcome = try guest.run(mode, settings(way, [("trace.device", "1801000+1000")]))
        XCTAssertEqual(outcome.counters.dmaPages, 3, "\(mode) \(way)")
        XCTAssertEqual(outcome.counters.dmaFaults, 3)
        XCTAssertEqual(
          outcome.events.filter { $0.kind == .dmaFault }.map { $0.physical?.raw },
          [0x200_0000, 0x180_1000, .some(.max & ~0xfff)])
        XCTAssertEqual(outcome.divergences.count, 0)
      }
    }
  }

  /// Who watches a page sees what a device stores to it, in every way, and before and after the IOMMU has the page.
  func testStoresOfDevicesAreSeen() throws {
    for mode in Self.modes {
      for way in Self.ways {
        for isKnown in [false, true] {
          let guest = guest(4) { guest in
            for page in 0..<4 as Range<UInt64> { guest.read(0x40_0000 + page << 12) }
            if isKnown { for page in 0..<4 as Range<UInt64> { guest.dma(Self.data + page << 12, 8, writes: true) } }
            guest.append(.mark)
            guest.dma(Self.data, 0x4000, writes: true)
            guest.dma(Self.data, 0x4000, writes: true)
            for page in 0..<4 as Range<UInt64> { guest.write(0x40_0000 + page << 12) }
          }
          let keys = [
            ("trace.cow", "1000000+1000"), ("trace.frame-buffer", "1001000+1000"), ("trace.rom", "1002000+1000"),
            ("trace.when", "marks"),
          ]
          let outcome = try guest.run(mode, settings(way, keys))
          let name = "\(mode) \(way) \(isKnown)"
          XCTAssertEqual(outcome.divergences.count, 0, "\(name): \(outcome.divergences)")
          XCTAssertEqual(outcome.counters.framesCopied, 1, name)
          XCTAssertEqual(outcome.counters.frameBufferDirtyRows, 1, name)
          // Two transfers; the guest's own store is one more fault on those that are watched still.
          XCTAssertEqual(outcome.counters.traceFaultsCopyOnWrite, 1, name)
          XCTAssertEqual(outcome.counters.traceFaultsFrameBuffer, 3, name)
          XCTAssertEqual(outcome.counters.traceFaultsROM, 3, name)
        }
      }
    }
  }

  /// A device stores to a page that the shadow tables follow, as the guest might.
  func testDeviceStoresToATable() throws {
    for way in Self.ways {
      let guest = guest(2) { guest in
        let table = guest.entry(0x40_0000) & ~0xfff
        guest.dma(table, 8, writes: true)
        guest.read(0x40_0000)
        guest.dma(table, 8, writes: true)
        guest.read(0x40_1000)
        guest.read(0x40_0000)
      }
      let outcome = try guest.run(.shadow, settings(way))
      XCTAssertEqual(outcome.divergences.count, 0, "\(way): \(outcome.divergences)")
      XCTAssertEqual(outcome.counters.traceFaultsShadow, 1, way)
    }
  }

  func testWhatIsRefused() {
    let guest = guest(1) { $0.dma(Self.data, 8, writes: true) }
    XCTAssertThrowsError(try guest.run(.nested, as: .process))
    XCTAssertThrowsError(try guest.run(.direct))
    let keys = [("dirty-log.method", "write-protect")]
    XCTAssertThrowsError(try guest.run(.nested, settings("iommu", keys)))
    for way in ["copy", "list"] {
      let outcome = try? guest.run(
        .nested, settings(way, keys + [("dirty-log.interval", "1"), ("dirty-log.rounds", "40")]))
      XCTAssertTrue(outcome?.rounds.contains { $0.pages == [Self.data >> 12] } ?? false, way)
      XCTAssertEqual(outcome?.divergences.count, 0)
    }
  }
}
