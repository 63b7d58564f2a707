internal import Glibc
internal import Paging

/// The caches that the page walker's references go through: what a reference costs depends on where its line lies.
///
/// A small model on purpose: only page-table entries are in it, so they never compete with a program's data.
@safe struct WalkCache: ~Copyable {
  private struct Level {
    var array: RecencyArray
    var cycles: UInt64
  }

  private var levels: [Level] = []
  private let memory: UInt64
  private let tags: UnsafeMutablePointer<UInt64>
  private let values: UnsafeMutablePointer<UInt64>

  init(_ geometries: [CacheGeometry], memory: UInt64) {
    self.memory = memory
    let count = geometries.reduce(1) { $0 + $1.sets * $1.ways }
    // SAFETY: the levels divide the storage among them.
    unsafe tags = zeroed(count)
    unsafe values = zeroed(count)
    var offset = 0
    for geometry in geometries {
      let array = unsafe RecencyArray(
        tags: tags + offset, values: values + offset, sets: geometry.sets, ways: geometry.ways)
      levels.append(Level(array: array, cycles: geometry.cycles))
      offset += geometry.sets * geometry.ways
    }
  }

  deinit {
    // SAFETY: made in `init`, freed once.
    unsafe free(tags)
    unsafe free(values)
  }

  /// Cycles of a reference to a page-table entry: the levels are asked in order, and those that did not have the line
  /// then have it.
  @inline(__always) func cycles(of address: MachineAddress) -> UInt64 {
    let line = address.raw >> 6
    // The low bits are no PCID here: they stay clear, so that tags match only if they are the same.
    let tag = (line &+ 1) &<< 12
    for level in levels {
      if level.array.latest(line, tag) != 0 || level.array.search(line, tag) != 0 { return level.cycles }
      level.array.insert(line, tag, 1)
    }
    return memory
  }
}
