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

  /// Replaces the entry at an address, of 8 bytes or of 4; returns the 8-byte word before (0 if none was known) and after.
  mutating func store(
    _ value: UInt64, at address: PhysicalAddress, of machine: UInt64, isNarrow: Bool
  ) -> (before: UInt64, after: UInt64) {
    let index = slot(of: address.page, machine) * 512 + Int(address.offset >> 3)
    let previous = entries[index]
    let shift = (address.raw & 4) << 3
    let mask: UInt64 = isNarrow ? 0xffff_ffff << shift : .max
    entries[index] = isNarrow ? previous & ~mask | (value << shift & mask) : value
    return (previous, entries[index])
  }

  /// The levels at which the page is reachable, bit n for level n.
  func levelMask(of page: PPN, _ machine: UInt64) -> UInt8 {
    slots[Key(machine: machine, page: page.raw)].map { levels[$0] } ?? 0
  }

  /// Size of the page that the tables map at an address under these registers (4 MiB count as 2 MiB); nil if they map none.
  func leafSize(at address: VirtualAddress, _ registers: ControlRegisters, of machine: UInt64) -> PageSize? {
    let controls = PagingControls(
      registers, maxPhysicalAddressBits: 52, hasHugePages: true, alignmentCheckFlag: false)
    var table = registers.root
    var level = registers.levels
    if level == 3 {
      let place = PhysicalAddress(registers.pointerTable.raw + (address.raw >> 30 & 3) * 8)
      guard let slot = slots[Key(machine: machine, page: place.page.raw)] else { return nil }
      let pointer = PageTableEntry<PhysicalSpace>(entries[slot * 512 + Int(place.offset >> 3)])
      if !pointer.isPresent { return nil }
      (table, level) = (pointer.frame, 2)
    }
    while level > 0, let slot = slots[Key(machine: machine, page: table.raw)] {
      let offset = table.entryAddress(address, level: level, under: controls).offset
      let word = entries[slot * 512 + Int(offset >> 3)]
      let raw = controls.hasNarrowEntries ? word >> ((offset & 4) << 3) & 0xffff_ffff : word
      let entry: PageTableEntry<PhysicalSpace> = controls.entry(raw, level: level, address)
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
