import Paging
import XCTest

@testable import Machine

/// References of two-dimensional walks against the closed form (g + 1)(n + 1) − 1 and its cousins, on a machine without caches
/// and with a complete nested table.
final class NestedTheoryTests: XCTestCase {
  private let va: UInt64 = 0x80_4060_5000

  private func settings(_ keys: [String: String]) throws -> Settings {
    var settings = Settings()
    settings.isNestedTableEager = true
    for (key, value) in keys { XCTAssertNil(settings.set(key, to: value), "\(key)=\(value)") }
    return settings
  }

  /// With fewer than four levels an address has 32 bits.
  private func address(_ levels: Int) -> UInt64 { levels < 4 ? 0x4060_5000 : va }

  private func guest(_ size: PageSize, levels: Int = 4, ram: UInt64 = 1 << 30) -> Guest {
    var guest = Guest(levels: levels)
    let va = levels == 0 ? 0x5000 : address(levels)
    guest.append(.ram, ram)
    if levels == 0 {
      guest.append(.loadCR0, 0x33)
    } else {
      guest.map(va, to: size == .small ? 0x5000 : 0, size: size)
      guest.boot()
    }
    guest.read(va)
    return guest
  }

  private func references(_ guest: Guest, _ keys: [String: String]) throws -> UInt64 {
    let counters = try guest.run(.nested, on: .bareFiveLevels, settings(keys)).counters
    XCTAssertEqual([counters.hiddenFaults, counters.walks], [0, 1])
    XCTAssertEqual(counters.referencesByLevel.sum, counters.walkReferencesGuest)
    XCTAssertEqual(counters.nestedReferencesByLevel.sum, counters.walkReferencesNested)
    return counters.walkReferences
  }

  /// The columns of 2.5: the nested table's shape, by the entries read for one translation of it.
  private static let columns: [(entries: UInt64, keys: [String: String])] = [
    (4, ["nested.page": "4K"]), (3, ["nested.page": "2M"]), (2, ["nested.page": "1G"]), (5, ["nested.levels": "5"]),
    // Not in the table, of E1: flat, and flattened with small pages and with pages of 1 GiB.
    (1, ["nested.levels": "1"]), (2, ["nested.levels": "2"]), (1, ["nested.levels": "2", "nested.page": "1G"]),
    // Five levels with large pages.
    (4, ["nested.levels": "5", "nested.page": "2M"]), (3, ["nested.levels": "5", "nested.page": "1G"]),
  ]

  /// The rows of 2.5, by what the guest has; the numbers are the table's own, for its first four columns.
  private static let rows: [(name: String, levels: Int, size: PageSize, read: UInt64, cells: [UInt64])] = [
    ("g=4, 4K", 4, .small, 4, [24, 19, 14, 29]), ("g=3, 2M", 4, .large, 3, [19, 15, 11, 23]),
    ("g=2, 1G", 4, .huge, 2, [14, 11, 8, 17]), ("g=2, 32-bit 4K", 2, .small, 2, [14, 11, 8, 17]),
    ("g=5, 4K", 5, .small, 5, [29, 23, 17, 35]), ("g=4, five levels 2M", 5, .large, 4, [24, 19, 14, 29]),
    ("g=3, five levels 1G", 5, .huge, 3, [19, 15, 11, 23]), ("g=1, 32-bit 4M", 2, .large, 1, [9, 7, 5, 11]),
    ("g=0, no paging", 0, .small, 0, [4, 3, 2, 5]), ("g=2, PAE 4K", 3, .small, 2, [14, 11, 8, 17]),
    ("g=1, PAE 2M", 3, .large, 1, [9, 7, 5, 11]),
  ]

  func testEveryCellOfTheTableOfReferences() throws {
    for row in Self.rows {
      for (index, column) in Self.columns.enumerated() {
        for format in ["ept", "npt"] {
          // AMD reads the pointers of PAE paging in the walk: a level more.
          let isPAE = format == "npt" && row.levels == 3
          let read = row.read + (isPAE ? 1 : 0)
          let keys = column.keys.merging(["nested.format": format]) { $1 }
          let found = try references(guest(row.size, levels: row.levels), keys)
          XCTAssertEqual(found, (read + 1) * (column.entries + 1) - 1, "\(row.name), \(keys)")
          if !isPAE && index < row.cells.count { XCTAssertEqual(found, row.cells[index], "\(row.name), \(keys)") }
        }
      }
    }
  }

  /// A guest's entry that is not present ends the walk at its level k: refs = Σ (h + 1) from the top down to k.
  func testAnAbsentEntryEndsTheWalkAtItsLevel() throws {
    for levels in [2, 4, 5] {
      for absent in 1...levels {
        var guest = Guest(levels: levels)
        guest.append(.ram, 1 << 30)
        guest.map(address(levels), to: 0x5000)
        guest.set(0, at: guest.entry(address(levels), level: absent))
        guest.boot()
        guest.read(address(levels))
        let counters = try guest.run(.nested, on: .bareFiveLevels, settings([:])).counters
        XCTAssertEqual(counters.walkReferences, UInt64(levels - absent + 1) * 5, "\(levels) levels, level \(absent)")
        XCTAssertEqual(counters.trueFaults, 1)
      }
    }
  }

  /// E1: a flat nested table makes it 9. A flattened one, 4 × 3 + 2 = 14 with this guest; both dimensions flattened, 8.
  func testFlatAndFlattened() throws {
    XCTAssertEqual(try references(guest(.small), ["nested.levels": "1"]), 9)
    XCTAssertEqual(try references(guest(.large), ["nested.levels": "1"]), 7)
    XCTAssertEqual(try references(guest(.small), ["nested.levels": "2"]), 14)
    // Two levels read in each dimension: a guest's 1 GiB page and the flattened table.
    XCTAssertEqual(try references(guest(.huge), ["nested.levels": "2"]), 8)
    XCTAssertEqual(try references(guest(.huge), ["nested.levels": "2", "nested.page": "1G"]), 5)
  }

  /// All tables in 4 KiB nested pages, the data in one of 2 MiB: 4 · 5 + 3 = 23. RAM ends within the first 2 MiB behind
  /// the tables, so that only there small pages are needed.
  func testMixedNestedPages() throws {
    var guest = Guest(root: 0x20_0000)
    guest.append(.ram, 0x20_8000)
    guest.map(va, to: 0x5000)
    guest.boot()
    guest.read(va)
    XCTAssertEqual(try references(guest, ["nested.page": "2M"]), 23)
    let counters = try guest.run(.nested, on: .bareFiveLevels, settings(["nested.page": "2M"])).counters
    XCTAssertEqual((1...4).map { counters.nestedReferencesByLevel[$0] }, [4, 5, 5, 5])
    XCTAssertEqual((1...4).map { counters.referencesByLevel[$0] }, [1, 1, 1, 1])
  }

  /// A flattened table has no 2 MiB pages, a flat one only small ones.
  func testPagesThatTheLevelsDoNotHave() throws {
    for keys in [["2", "2M"], ["1", "2M"], ["1", "1G"]] {
      let settings = try settings(["nested.levels": keys[0], "nested.page": keys[1]])
      XCTAssertThrowsError(try guest(.small).run(.nested, on: .bareFiveLevels, settings))
    }
  }

  /// The TLB holds what both dimensions map in one piece; INVLPG drops all pieces of the guest's page.
  func testPiecesOfLargePages() throws {
    for (page, size, hits) in [
      ("4K", PageSize.large, 0), ("2M", .large, 2), ("1G", .large, 2), ("2M", .huge, 2), ("1G", .small, 0),
    ] as [(String, PageSize, UInt64)] {
      var guest = Guest()
      guest.append(.ram, 1 << 30)
      guest.map(va, to: size == .small ? 0x5000 : 0, size: size)
      guest.map(va + 0x1000, to: size == .small ? 0x6000 : 0x1000 * 0, size: size)
      guest.map(va + 0x2000, to: size == .small ? 0x7000 : 0, size: size)
      guest.boot()
      guest.read(va)
      guest.read(va + 0x1000)
      guest.read(va + 0x2000)
      var counters = try guest.run(.nested, on: .roomy, settings(["nested.page": page])).counters
      XCTAssertEqual(counters.tlbL1Hits, hits, "nested \(page), guest \(size.name)")
      guest.invlpg(va + 0x1fff)
      guest.read(va)
      counters = try guest.run(.nested, on: .roomy, settings(["nested.page": page])).counters
      XCTAssertEqual(counters.tlbL1Hits, hits + (size == .small ? 1 : 0), "a whole page is dropped")
    }
  }

  /// With D bits in the nested leaf, a page that was read first is walked once more for its first store.
  func testFirstStoreSetsTheNestedDirtyBit() throws {
    let cases: [([String: String], UInt64)] = [([:], 1), (["nested.ad": "on"], 2), (["nested.format": "npt"], 2)]
    for (keys, misses) in cases {
      var guest = Guest()
      guest.append(.ram, 1 << 30)
      guest.map(va, to: 0x5000, [.present, .writable, .user, .accessed, .dirty])
      guest.boot()
      guest.read(va)
      guest.write(va)
      guest.write(va)
      XCTAssertEqual(try guest.run(.nested, on: .plainTLB, settings(keys)).counters.tlbMisses, misses, "\(keys)")
    }
  }
}
