internal import Paging

/// The caches that the page walker's references go through: what a reference costs depends on where its line lies.
///
/// A small model on purpose: only page-table entries are in it, so they never compete with a program's data.
struct WalkCache: ~Copyable {
  private struct Level {
    var array: RecencyArray
    var cycles: UInt64
  }

  private let levels: [Level]
  private let memory: UInt64

  init(_ geometries: [CacheGeometry], memory: UInt64) {
    self.memory = memory
    levels = geometries.map { Level(array: RecencyArray(sets: $0.sets, ways: $0.ways), cycles: $0.cycles) }
  }

  deinit {
    for level in levels { level.array.free() }
  }

  /// Cycles of a reference to a page-table entry: the levels are asked in order, and those that did not have the line
  /// then have it.
  @inline(__always) func cycles(of address: MachineAddress) -> UInt64 {
    let line = address.raw >> 6
    // The low bits are no PCID here: they stay clear, so that tags match only if they are the same.
    let tag = (line &+ 1) &<< 12
    for level in levels {
      if level.array.search(line, tag) != 0 { return level.cycles }
      level.array.insert(line, tag, 1)
    }
    return memory
  }
}
