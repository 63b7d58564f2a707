internal import Paging

/// What was stored to a table since a walk went through it last.
struct StoreRun {
  var stores = 0
  /// The latest of them that were stores of 0, one behind the other.
  var zeros = 0
}

/// Which shadows are kept: the size of the cache, and the tables that are none any more.
extension ShadowBackend {
  /// Evicts until one more shadow has room. Roots that a CPU runs on stay, and the path that is being filled.
  mutating func makeRoom(_ machine: inout MachineState) {
    guard design.capacity > 0 else { return }
    while pages.count >= design.capacity, let frame = victim() {
      retire(frame, &machine)
      machine.counters.shadowPagesEvicted += 1
    }
  }

  /// Stamps are unique, so the order in which a dictionary is gone through makes no difference.
  private func victim() -> MPN? {
    var least: (stamp: UInt64, frame: MPN)?
    for shadow in pages.values where shadow.stamp < least?.stamp ?? .max && !isInUse(shadow) {
      least = (shadow.stamp, shadow.frame)
    }
    return least?.frame
  }

  private func isInUse(_ shadow: ShadowPage) -> Bool {
    path.contains(shadow.frame) || isRoot(shadow.key)
  }

  /// A CPU runs on the shadow.
  func isRoot(_ key: ShadowPage.Key) -> Bool { roots.values.contains { $0.contains(key) } }

  /// A fill has gone through these shadows.
  mutating func use(_ path: [MPN]) {
    guard design.evictsLeastRecentlyUsed else { return }
    for frame in path {
      time += 1
      pages[frame]?.stamp = time
    }
  }

  /// A walk has gone through these tables, so they are tables.
  mutating func noteWalk(_ walk: GuestWalk) {
    if storeRuns.isEmpty { return }
    for level in stride(from: walk.size.level, through: walk.levels, by: 1) { storeRuns[walk.tables[level]] = nil }
  }

  /// Whether a store shows that its page is no longer a table.
  mutating func showsNoTable(_ store: TableStore) -> Bool {
    let signs = design.unshadowing
    if signs.isEmpty { return false }
    var run = storeRuns[store.address.page] ?? StoreRun()
    run.stores += 1
    run.zeros = store.value == 0 ? run.zeros + 1 : 0
    storeRuns[store.address.page] = run
    let isUpper = (tracedLevels[store.address.page.raw] ?? 0) > 1 << 1
    return signs.contains(.user) && store.isUser || signs.contains(.misaligned) && !store.isAligned
      || signs.contains(.zeros) && run.zeros >= design.zeroRun
      || signs.contains(.flood) && isUpper && run.stores >= design.flood
  }

  /// The page is taken for something else than a table from now on.
  mutating func recycle(_ page: PPN, _ machine: inout MachineState) {
    let before = pages.count
    unshadow(page, &machine)
    machine.counters.shadowPagesRecycled += UInt64(before - pages.count)
  }
}
