internal import Paging

/// What a host of several machines asks of the nested table.
extension NestedBackend {
  static func hostProblem(_ settings: Settings) -> String? {
    if settings.isNestedTableEager { return "with nested.fill=eager, which needs all memory at once: expected lazy" }
    let levels = settings.nested.levels
    return levels < 4 ? "with nested.levels=\(levels), whose tables are larger than a frame: expected 4 or 5" : nil
  }

  /// An entry each, and one INVEPT.
  mutating func unmap(_ pages: [PPN], _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    var hasChanged = false
    for page in pages {
      guard let (place, _) = table.leaf(of: page, machine) else { continue }
      machine.memory.write(place, 0)
      hasChanged = true
    }
    if hasChanged { machine.flushAllCPUs(&cpu) }
  }
}
