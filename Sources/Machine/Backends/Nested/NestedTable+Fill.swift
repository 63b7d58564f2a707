internal import Paging

/// What the hypervisor does to the nested table.
extension NestedTable {
  /// Enters a physical page with all rights but those that its watchers withhold, with the tables on the way, as a page
  /// of at most `limit` that RAM holds whole and nobody watches a part of. Entries in the way that are malformed or grant
  /// less are mended, larger pages split. Returns the pages entered, from the first.
  @discardableResult
  mutating func fill(_ page: PPN, upTo limit: PageSize, _ machine: inout MachineState) -> Range<UInt64> {
    var size = self.size(for: page, upTo: limit, &machine)
    // Only `join` replaces tables.
    while size.size > .small, let place = place(page, level: size.level, machine),
      case .table = rules.judge(machine.memory.read(place), level: size.size.level)
    {
      size = self.size(for: page, upTo: size.size == .huge ? .large : .small, &machine)
    }
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
      case .leaf: table = divide(place, level: level, &machine)
      case .absent:
        table = takeTable(&machine)
        machine.memory.write(place, rules.tableEntry(table))
      }
    }
    let first = size.size.first(page.raw)
    let place = shape.place(page, in: table, level: size.level)
    let rights = NestedRights(size.size == .small ? machine.traces.protection(of: page) : .none)
    var leaf = rules.leaf(machine.frameToMap(PPN(first)), isLarge: size.size > .small)
    // What the hardware has noted of the page stays.
    let old = machine.memory.read(place)
    if (old ^ leaf) & Self.frameMask == 0 { leaf |= old & (rules.format.accessed | rules.format.dirty) }
    machine.memory.write(place, rights == .all ? leaf : rights.isEmpty ? 0 : rules.setting(rights, in: leaf))
    return first..<first + size.size.pages
  }

  /// Bits 51…12 of an entry.
  static var frameMask: UInt64 { 0xf_ffff_ffff_f000 }

  /// The largest page, with its level, that holds a physical page, lies whole in RAM and in machine memory, and of which
  /// nobody watches a part.
  func size(
    for page: PPN, upTo limit: PageSize, _ machine: inout MachineState
  ) -> (size: PageSize, level: Int) {
    for size in [PageSize.huge, .large] where size <= limit {
      let first = PPN(size.first(page.raw))
      guard let level = shape.level(of: size), first.raw + size.pages <= machine.ramPages else { continue }
      if machine.isWhole(first, size) && !machine.traces.seesAny(in: first, size) { return (size, level) }
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
