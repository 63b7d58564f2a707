internal import Paging

/// The paging-structure cache for entries of one level (SDM 3A 4.10.3): fully associative, exact LRU.
///
/// An entry holds the table that a paging-structure entry points to, and the rights that the walk had accumulated there.
/// It is never global. Under nested paging the table is a machine page: a combined mapping (SDM 3C 29.4.1).
struct PagingStructureCache {
  struct Entry {
    /// Linear-address bits used so far, and the context below them; see ``tag(_:context:)``.
    var tag: UInt64
    var table: MPN
    var rights: Rights
  }

  /// Level of the entries it holds: 2 = PDE … 5 = PML5E.
  let level: Int
  let capacity: Int
  /// The latest first.
  private(set) var entries: [Entry] = []

  init(level: Int, capacity: Int) {
    self.level = level
    self.capacity = capacity
    entries.reserveCapacity(capacity)
  }

  private func tag(_ address: VirtualAddress, context: UInt64) -> UInt64 {
    // Bits 56 up to those that index this level, above 17 bits of VPID and PCID.
    ((address.raw & 0x1ff_ffff_ffff_ffff) >> UInt64(3 + 9 * level)) << 17 | context
  }

  /// The entry for an address, which becomes the latest.
  mutating func lookUp(_ address: VirtualAddress, context: UInt64) -> Entry? {
    let tag = tag(address, context: context)
    for index in entries.indices where entries[index].tag == tag {
      let entry = entries[index]
      moveToFront(index, entry)
      return entry
    }
    return nil
  }

  mutating func fill(_ address: VirtualAddress, context: UInt64, table: MPN, rights: Rights) {
    let entry = Entry(tag: tag(address, context: context), table: table, rights: rights)
    if let index = entries.firstIndex(where: { $0.tag == entry.tag }) {
      moveToFront(index, entry)
    } else if entries.count < capacity {
      entries.insert(entry, at: 0)
    } else {
      moveToFront(entries.count - 1, entry)
    }
  }

  /// Drops what one address would use.
  mutating func remove(_ address: VirtualAddress, context: UInt64) {
    let tag = tag(address, context: context)
    entries.removeAll { $0.tag == tag }
  }

  /// Drops everything of the contexts for which the condition holds.
  mutating func removeAll(where condition: (UInt64) -> Bool) {
    entries.removeAll { condition($0.tag & TLBEntry.contextMask) }
  }

  /// Drops the entries that lead to a table.
  mutating func removeTable(_ table: MPN) {
    entries.removeAll { $0.table == table }
  }

  private mutating func moveToFront(_ index: Int, _ entry: Entry) {
    var position = index
    while position > 0 {
      entries[position] = entries[position - 1]
      position -= 1
    }
    entries[0] = entry
  }
}
