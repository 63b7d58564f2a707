internal import Paging

extension VirtualCPU {
  /// Drops the paging-structure entries that lead to a table whose page begins another life.
  mutating func forgetTable(_ frame: MPN) {
    for index in structures.indices { structures[index].removeTable(frame) }
  }
}
