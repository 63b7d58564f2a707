internal import Paging

/// The caches that the page walker's references go through: what a reference costs depends on where its line lies.
///
/// A small model on purpose: only page-table entries are in it, so they never compete with a program's data.
struct WalkCache: ~Copyable {
  private let first: CacheLevel
  private let second: CacheLevel
  private let further: [CacheLevel]
  private let memory: UInt64

  init(_ geometries: [CacheGeometry], memory: UInt64) {
    self.memory = memory
    let levels = geometries.map(CacheLevel.init)
    // Without caches, ones that have every line, at memory's price.
    first = levels.first ?? .all(memory)
    second = levels.dropFirst().first ?? .all(memory)
    further = Array(levels.dropFirst(2))
  }

  deinit {
    first.free()
    second.free()
    for level in further { level.free() }
  }

  /// Cycles of a reference to a page-table entry: the levels are asked in order, and those that did not have the line
  /// then have it.
  @inline(__always) mutating func cycles(of address: MachineAddress) -> UInt64 {
    let line = address.raw &>> 6
    if first.touch(line) { return first.cycles }
    return second.touch(line) ? second.cycles : furtherCycles(line)
  }

  @inline(never) private mutating func furtherCycles(_ line: UInt64) -> UInt64 {
    for level in further where level.touch(line) { return level.cycles }
    return memory
  }
}
