internal import Paging

/// The caches that the page walker's references go through: what a reference costs depends on where its line lies.
///
/// A small model on purpose: only page-table entries are in it, so they never compete with a program's data.
struct WalkCache {
  private var levels: [Level]
  private let memory: UInt64

  init(_ geometries: [CacheGeometry], memory: UInt64) {
    levels = geometries.map(Level.init)
    self.memory = memory
  }

  /// Cycles of a reference to a page-table entry; the line is then in every level.
  @inline(__always) mutating func cycles(of address: MachineAddress) -> UInt64 {
    let line = address.raw >> 6 + 1
    var cycles = memory
    // Every level is touched, also behind a hit, so that each keeps its own exact order of use.
    for index in levels.indices.reversed() where levels[index].touch(line) { cycles = levels[index].cycles }
    return cycles
  }

  /// One set-associative array of line numbers, the latest of a set first.
  private struct Level {
    let sets: UInt64
    let ways: Int
    let cycles: UInt64
    var lines: [UInt64]

    init(_ geometry: CacheGeometry) {
      sets = UInt64(geometry.sets)
      ways = geometry.ways
      cycles = geometry.cycles
      lines = Array(repeating: 0, count: geometry.sets * geometry.ways)
    }

    /// Makes a line the latest of its set; whether it was there.
    mutating func touch(_ line: UInt64) -> Bool {
      let first = Int(line % sets) * ways
      if lines[first] == line { return true }
      var previous = lines[first]
      for index in first + 1..<first + ways {
        let current = lines[index]
        lines[index] = previous
        if current == line {
          lines[first] = line
          return true
        }
        previous = current
      }
      lines[first] = line
      return false
    }
  }
}
