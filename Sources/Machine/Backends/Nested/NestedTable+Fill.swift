internal import Paging

/// What the hypervisor does to the nested table.
extension NestedTable {
  /// Enters a physical page with all rights, with the tables on the way, as a page of at most `limit` that RAM holds
  /// whole. Entries in the way that are malformed or grant less are mended. Returns the pages entered, from the first.
  @discardableResult
  func fill(_ page: PPN, upTo limit: PageSize, _ machine: inout MachineState) -> Range<UInt64> {
    let size = self.size(for: page, upTo: limit, machine.ramPages)
    var table = root
    for level in stride(from: shape.levels, to: size.level, by: -1) {
      let place = shape.place(page, in: table, level: level)
      switch rules.judge(machine.memory.read(place), level: shape.architecturalLevel(level)) {
      case .table(.all): table = MPN(machine.memory.read(place) >> 12 & 0xff_ffff_ffff)
      case .table, .malformed:
        // The bits that name a table are the hypervisor's own; nothing else is worth keeping.
        let bits = UInt64(machine.description.maxPhysicalAddressBits)
        table = MPN(machine.memory.read(place) >> 12 & (1 << (bits - 12) - 1))
        machine.memory.write(place, rules.tableEntry(table))
      case .absent, .leaf:
        table = machine.allocateTable(frames: shape.tableFrames)
        machine.memory.write(place, rules.tableEntry(table))
      }
    }
    let first = size.size.first(page.raw)
    machine.memory.write(
      shape.place(page, in: table, level: size.level),
      rules.leaf(machine.physmap.machine(PPN(first)), isLarge: size.size > .small))
    return first..<first + size.size.pages
  }

  /// The largest page, with its level, that holds a physical page and lies whole in RAM.
  private func size(for page: PPN, upTo limit: PageSize, _ ramPages: UInt64) -> (size: PageSize, level: Int) {
    for size in PageSize.allCases.reversed() where size <= limit {
      let end = size.first(page.raw) + size.pages
      if let level = shape.level(of: size), end <= ramPages { return (size, level) }
    }
    return (.small, 1)
  }

  /// Where the entry of a level for a physical page lies; nil if the tables above it are not there.
  func place(_ page: PPN, level: Int, _ machine: borrowing MachineState) -> MachineAddress? {
    var table = root
    for above in stride(from: shape.levels, to: level, by: -1) {
      let entry = machine.memory.read(shape.place(page, in: table, level: above))
      guard case .table = rules.judge(entry, level: shape.architecturalLevel(above)) else { return nil }
      table = MPN(entry >> 12 & 0xff_ffff_ffff)
    }
    return shape.place(page, in: table, level: level)
  }
}
