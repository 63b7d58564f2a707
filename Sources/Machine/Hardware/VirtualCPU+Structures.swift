internal import Paging

/// The paging-structure caches of one CPU and one dimension, one for each level of entry; those that the machine lacks have no capacity.
struct PagingStructureCaches<Space>: ~Copyable {
  private var level2: PagingStructureCache<Space>
  private var level3: PagingStructureCache<Space>
  private var level4: PagingStructureCache<Space>
  private var level5: PagingStructureCache<Space>
  /// There is no cache.
  let isEmpty: Bool

  init(_ capacities: [Int: Int]) {
    isEmpty = capacities.isEmpty
    level2 = PagingStructureCache(level: 2, capacity: capacities[2] ?? 0)
    level3 = PagingStructureCache(level: 3, capacity: capacities[3] ?? 0)
    level4 = PagingStructureCache(level: 4, capacity: capacities[4] ?? 0)
    level5 = PagingStructureCache(level: 5, capacity: capacities[5] ?? 0)
  }

  func forEach(_ body: (borrowing PagingStructureCache<Space>) -> Void) {
    body(level2)
    body(level3)
    body(level4)
    body(level5)
  }

  /// Enters the table that an entry, of the level that `entry` names, points to.
  func fill(_ address: Address<Space>, context: UInt64, _ entry: WalkStart) {
    forEach { cache in
      if cache.level == entry.level { cache.fill(address, context: context, table: entry.table, rights: entry.rights) }
    }
  }

  /// What the deepest entry for an address knows: the table from which the walk goes on, its level, the rights so far.
  @inline(__always)
  mutating func start(_ address: Address<Space>, context: UInt64) -> WalkStart? {
    if isEmpty { return nil }
    return level2.lookUp(address, context: context) ?? level3.lookUp(address, context: context)
      ?? level4.lookUp(address, context: context) ?? level5.lookUp(address, context: context)
  }

  /// The same of the two lowest levels alone, from which a walk has one entry to read, or two.
  @inline(__always)
  mutating func startNearLeaf(_ address: Address<Space>, context: UInt64) -> WalkStart? {
    level2.lookUp(address, context: context) ?? level3.lookUp(address, context: context)
  }
}

extension VirtualCPU {
  /// The address by which the paging-structure caches know the tables above a page: with 32-bit paging a level-2 entry
  /// stands for 4 MiB, not 2.
  @inline(__always) func structurePrefix(_ address: VirtualAddress) -> VirtualAddress {
    hardwareControls.hasNarrowEntries ? VirtualAddress(address.raw & ~0x20_0000) : address
  }

  /// Drops what is cached of a table whose page begins another life: the entries that lead to it, and its own.
  func forgetTable(_ frame: MPN, _ page: PPN) {
    structures.forEach { $0.removeTable(frame) }
    pageWalks.removeTable(frame, page)
  }
}
