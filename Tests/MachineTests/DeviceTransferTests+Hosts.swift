import Paging
import XCTest

@testable import Machine

/// Devices of machines whose frames a host takes away, shares and gives back.
extension DeviceTransferTests {
  /// A page that was taken away comes back for a device; the IOMMU and its TLB have nothing of it meanwhile.
  func testDevicesBringPagesBack() throws {
    for mode in Self.modes {
      for way in Self.ways {
        let guest = guest(300) { guest in
          for _ in 0..<4 {
            for page in 0..<300 as Range<UInt64> {
              guest.write(0x40_0000 + page << 12)
              if page % 3 == 0 { guest.dma(Self.data + (page / 2) << 12, 0x1000, writes: page % 2 == 0) }
            }
          }
        }
        var members: [HostRun.Member] = []
        for name in ["a", "b"] {
          var member = HostRun.Member(guest: guest, mode: mode, settings: settings(way))
          member.machine.name = name
          members.append(member)
        }
        var run = HostRun(members: members, settings: HostSettings(memory: 400 << 12))
        run.quantum = 30
        for outcome in try checked(run) {
          let c = outcome.counters
          XCTAssertEqual(c.dmaPages, 400, "\(mode) \(way)")
          XCTAssertGreaterThan(c.hostSwapIns, 300)
          guard way == "iommu" else { continue }
          XCTAssertGreaterThan(c.iommuUnmaps, 100)
          XCTAssertEqual(c.iotlbFlushes, c.iommuUnmaps)
          XCTAssertGreaterThan(c.dmaRequests, c.iommuUnmaps)
        }
      }
    }
  }

  /// The frames of a list stay while the device is at them, though the host is short of memory; after that they do not.
  func testListsArePinned() throws {
    for mode in Self.modes {
      var guests: [Guest] = []
      for duration in [0, 100_000] as [UInt64] {
        guests.append(
          guest(300) { guest in
            guest.dma(Self.data, 20 << 12, writes: false)
            for _ in 0..<3 { for page in 20..<300 as Range<UInt64> { guest.write(0x40_0000 + page << 12) } }
            // Not one has to come back.
            _ = duration
            guest.append(.mark)
          })
      }
      for (duration, guest) in zip(["0", "100000"], guests) {
        var run = HostRun(
          members: [
            HostRun.Member(guest: guest, mode: mode, settings: settings("list", [("dma.duration", duration)]))
          ], settings: HostSettings(memory: 260 << 12))
        run.quantum = 30
        var pinned = 0
        _ = try run.outcomes { host, _ in
          if let problem = host.violatedInvariant() { throw HostProblem(description: problem) }
          pinned = host.frames.resident[0].count { host.frames.frames[Int($0.raw)].page.raw &- Self.data >> 12 < 20 }
        }
        if duration == "0" { XCTAssertLessThan(pinned, 15, "\(mode)") } else { XCTAssertEqual(pinned, 20, "\(mode)") }
      }
    }
  }

  /// What a device stores is like nothing else: a shared page gets a frame of its own, and the other keeps what it had.
  func testDevicesBreakSharing() throws {
    for mode in Self.modes {
      for way in Self.ways {
        func sharer(_ body: (inout Guest) -> Void) -> Guest {
          guest(4) { guest in
            for page in 0..<4 as Range<UInt64> {
              guest.write(0x40_0000 + page << 12)
              guest.append(Operation(.content, Self.data + page << 12), [page + 1])
            }
            for _ in 0..<400 { guest.read(0x40_3000) }
            body(&guest)
            for _ in 0..<400 { guest.read(0x40_3000) }
          }
        }
        let writer = sharer {
          // Known to be read first, by an IOMMU.
          $0.dma(Self.data, 0x2000, writes: false)
          $0.dma(Self.data, 0x1000, writes: true)
        }
        var settings = HostSettings(memory: 8 << 20)
        settings.scannedPages = 200
        var run = HostRun(members: [], settings: settings)
        for (name, guest) in [("a", writer), ("b", sharer { _ in })] {
          var member = HostRun.Member(guest: guest, mode: mode, settings: self.settings(way))
          member.machine.name = name
          run.members.append(member)
        }
        run.quantum = 50
        var found = (pages: 0, frames: 0)
        let outcomes = try run.outcomes { host, _ in
          if let problem = host.violatedInvariant() { throw HostProblem(description: problem) }
          found = host.sharing
        }
        // A list's pages are the device's alone while it lasts, and found alike again afterwards.
        let broken: UInt64 = way == "list" ? 2 : 1
        XCTAssertEqual(outcomes[0].counters.hostShareBreaks, broken, "\(mode) \(way)")
        XCTAssertEqual(outcomes[1].counters.hostShareBreaks, 0)
        XCTAssertEqual(found.pages, 7)
        XCTAssertEqual(found.frames, 4)
      }
    }
  }

  /// A page that devices may reach is shared, merged and given a frame of its own: what they may reach follows.
  func testSharingFollowsDevices() throws {
    for mode in Self.modes {
      for way in Self.ways {
        let guest = guest(4) { guest in
          for page in 0..<4 as Range<UInt64> {
            guest.write(0x40_0000 + page << 12)
            guest.dma(Self.data + page << 12, 8, writes: true)
            guest.append(Operation(.content, Self.data + page << 12), [page / 2 + 1])
          }
          for _ in 0..<400 { guest.read(0x40_3000) }
          guest.dma(Self.data, 0x4000, writes: false)
          for _ in 0..<400 { guest.read(0x40_3000) }
          guest.write(0x40_0000)
          guest.dma(Self.data + 0x1000, 8, writes: true)
        }
        var settings = HostSettings(memory: 8 << 20)
        settings.scannedPages = 200
        var run = HostRun(members: [], settings: settings)
        for name in ["a", "b"] {
          var member = HostRun.Member(guest: guest, mode: mode, settings: self.settings(way))
          member.machine.name = name
          run.members.append(member)
        }
        run.quantum = 50
        for outcome in try checked(run) {
          XCTAssertEqual(outcome.counters.hostShareBreaks, way == "list" ? 6 : 2, "\(mode) \(way)")
        }
      }
    }
  }

  /// While a device is at a page of a list, nobody shares its frame.
  func testPinnedPagesAreNotShared() throws {
    for mode in Self.modes {
      for (duration, expected) in [("0", 8), ("100000", 6)] {
        let guest = guest(4) { guest in
          for page in 0..<4 as Range<UInt64> {
            guest.write(0x40_0000 + page << 12)
            guest.append(Operation(.content, Self.data + page << 12), [page / 2 + 1])
          }
          guest.dma(Self.data, 8, writes: false)
          for _ in 0..<600 { guest.read(0x40_3000) }
        }
        var settings = HostSettings(memory: 8 << 20)
        settings.scannedPages = 200
        var run = HostRun(members: [], settings: settings)
        for name in ["a", "b"] {
          var member = HostRun.Member(
            guest: guest, mode: mode, settings: self.settings("list", [("dma.duration", duration)]))
          member.machine.name = name
          run.members.append(member)
        }
        run.quantum = 50
        var pages = 0
        _ = try run.outcomes { host, _ in pages = host.sharing.pages }
        XCTAssertEqual(pages, expected, "\(mode) \(duration)")
      }
    }
  }

  /// A transfer of more pages than the host has frames: one list after the other.
  func testLongTransferTakesTurns() throws {
    for mode in Self.modes {
      let guest = guest(1) { $0.dma(Self.data, 500 << 12, writes: true) }
      let member = HostRun.Member(guest: guest, mode: mode, settings: settings("list"))
      let run = HostRun(members: [member], settings: HostSettings(memory: 330 << 12))
      let outcomes = try checked(run)
      XCTAssertEqual(outcomes[0].counters.dmaPinned, 500, "\(mode)")
      XCTAssertGreaterThan(outcomes[0].counters.hostSwapOuts, 200)
    }
  }

  /// Copy-on-write by the guest's own store moves a page that a device may read.
  func testCopiedPageLeavesTheIOMMU() throws {
    for mode in Self.modes {
      let guest = guest(1) { guest in
        guest.dma(Self.data, 8, writes: false)
        guest.write(0x40_0000)
        guest.dma(Self.data, 8, writes: false)
      }
      let outcome = try guest.run(mode, settings("iommu", [("trace.cow", "1000000+1000")]), batch: 1)
      XCTAssertEqual(outcome.divergences.count, 0, "\(mode): \(outcome.divergences)")
      XCTAssertEqual(outcome.counters.framesCopied, 1)
      XCTAssertEqual(outcome.counters.iommuUnmaps, 1)
      XCTAssertEqual(outcome.counters.dmaRequests, 2)
    }
  }
}
