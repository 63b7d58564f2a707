import Paging
import XCTest

@testable import Machine

/// The kernel's parts on their own.
final class KernelPartsTests: XCTestCase {
  func testTheLowestFreeFrameIsGivenFirst() {
    var frames = FrameAllocator(frames: 1100)
    XCTAssertEqual((0..<600).map { _ in frames.allocate()?.raw ?? .max }, (0..<600).map { UInt64($0) })
    for frame in [70, 5, 599] { frames.release(PPN(UInt64(frame))) }
    XCTAssertEqual(frames.free, 503)
    XCTAssertEqual((0..<4).map { _ in frames.allocate()?.raw }, [5, 70, 599, 600])
  }

  func testABlockIsWholeAndAligned() {
    var frames = FrameAllocator(frames: 1600)
    _ = frames.allocate()
    XCTAssertEqual(frames.allocateBlock()?.raw, 512)
    XCTAssertEqual(frames.allocateBlock()?.raw, 1024)
    XCTAssertNil(frames.allocateBlock(), "the last 64 frames are no block")
    XCTAssertEqual(frames.free, 1600 - 1 - 1024)
    for frame in 512..<1024 { frames.release(PPN(UInt64(frame))) }
    XCTAssertEqual(frames.allocateBlock()?.raw, 512)
    for _ in 0..<575 { _ = frames.allocate() }
    XCTAssertEqual(frames.free, 0)
    XCTAssertNil(frames.allocate())
  }

  /// Against one dictionary entry a page.
  func testMappingsAreThoseOfEachPage() {
    for seed in seeds(200) {
      var random = SplitMix64(seed: seed)
      var list = MappingList()
      var pages: [UInt64: Mapping] = [:]
      for _ in 0..<40 {
        let start = UInt64(random.below(40))
        let range = start..<start + 1 + UInt64(random.below(12))
        let rights = MappingRights(raw: UInt16(random.below(3)))
        switch random.below(3) {
        case 0:
          var files = FileNumbers()
          let file = random.oneIn(2) ? .none : files.next(Operation.fileMapping, [0]).file
          var mapping = Mapping(pages: range, rights: rights, file: file, origin: file == .none ? 0 : start)
          mapping.isShared = file != .none && random.oneIn(2)
          list.insert(mapping)
          for page in range { pages[page] = mapping }
        case 1:
          list.remove(range)
          for page in range { pages[page] = nil }
        default:
          list.protect(range, rights)
          for page in range { pages[page]?.rights = rights }
        }
        for page in UInt64(0)..<60 {
          let found = list.mapping(of: page)
          let wanted = pages[page]
          let isSame =
            found?.rights == wanted?.rights && found?.file == wanted?.file && found?.isShared == wanted?.isShared
            && (wanted?.file ?? FileNumber.none == FileNumber.none || found?.origin == wanted?.origin)
          XCTAssertTrue(isSame, "MEMLAB_SEED=\(seed) page \(page)")
        }
        let pieces = list.pieces(in: 7..<23)
        XCTAssertEqual(pieces.flatMap(\.pages), (7..<23).filter { pages[$0] != nil }, "MEMLAB_SEED=\(seed) pieces")
        let ends = zip(list.list, list.list.dropFirst())
        XCTAssertTrue(ends.allSatisfy { $0.pages.upperBound <= $1.pages.lowerBound }, "MEMLAB_SEED=\(seed) order")
      }
    }
  }

  func testMappingsThatAreAlikeBecomeOne() {
    var list = MappingList()
    list.insert(Mapping(pages: 0..<8, rights: .all))
    list.protect(2..<4, MappingRights(raw: 4))
    XCTAssertEqual(list.list.count, 3)
    list.protect(2..<4, .all)
    XCTAssertEqual(list.list, [Mapping(pages: 0..<8, rights: .all)])
  }
}
