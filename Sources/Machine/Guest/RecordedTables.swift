import Paging

/// The page tables that a trace carries, as the recorder saw them: an image of the pages that are tables, with the
/// levels at which each is reachable. Nothing is simulated here: no A and D bits are set, no frame is owned.
struct RecordedTables {
  /// Slot of a page by virtual machine and page number.
  private var slots: [Key: Int] = [:]
  /// Bit n: reachable as a table of level n; one element a slot.
  private var levels: [UInt8] = []
  /// 512 entries a slot.
  private var entries: [UInt64] = []

  private struct Key: Hashable {
    var machine: UInt64
    var page: UInt64
  }

  /// Number of pages that have ever been a table.
  var count: Int { levels.count }

  /// The page became reachable as a table of that level; its entries are these from now on.
  mutating func announce(_ page: PPN, of machine: UInt64, level: Int, payload: ArraySlice<UInt64>) {
    let slot = slot(of: page, machine)
    if (1...5).contains(level) { levels[slot] |= 1 << UInt8(level) }
    for index in slot * 512..<slot * 512 + 512 { entries[index] = 0 }
    var next = payload.startIndex + 8
    for (word, map) in payload.prefix(8).enumerated() {
      var rest = map
      while rest != 0 {
        entries[slot * 512 + word * 64 + rest.trailingZeroBitCount] = payload[next]
        next += 1
        rest &= rest - 1
      }
    }
  }

  /// The page is no longer reachable as a table of that level.
  mutating func retire(_ page: PPN, of machine: UInt64, level: Int) {
    guard let slot = slots[Key(machine: machine, page: page.raw)], (1...5).contains(level) else { return }
    levels[slot] &= ~(1 << UInt8(level))
  }

  /// Replaces the entry at an address and returns the one before it, 0 if none was known.
  mutating func store(_ value: UInt64, at address: PhysicalAddress, of machine: UInt64) -> UInt64 {
    let index = slot(of: address.page, machine) * 512 + Int(address.offset >> 3)
    let previous = entries[index]
    entries[index] = value
    return previous
  }

  /// The levels at which the page is reachable, bit n for level n.
  func levelMask(of page: PPN, _ machine: UInt64) -> UInt8 {
    slots[Key(machine: machine, page: page.raw)].map { levels[$0] } ?? 0
  }

  /// Size of the page that the tables under a root map at an address; nil if they map none.
  func leafSize(at address: VirtualAddress, root: PPN, rootLevel: Int, of machine: UInt64) -> PageSize? {
    var table = root
    var level = rootLevel
    while let slot = slots[Key(machine: machine, page: table.raw)] {
      let index = Int(address.tableIndex(level: level))
      let entry = PageTableEntry<PhysicalSpace>(entries[slot * 512 + index])
      if !entry.isPresent { return nil }
      if entry.isLeaf(level: level) { return PageSize(level: level) }
      table = entry.frame
      level -= 1
    }
    return nil
  }

  private mutating func slot(of page: PPN, _ machine: UInt64) -> Int {
    let key = Key(machine: machine, page: page.raw)
    if let slot = slots[key] { return slot }
    let slot = levels.count
    slots[key] = slot
    levels.append(0)
    entries.append(contentsOf: repeatElement(0, count: 512))
    return slot
  }
}
