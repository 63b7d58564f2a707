internal import Paging

/// Misses of the first TLB level in the commonest case: the second level has the page, or a short walk finds it, and
/// nothing but the mode takes part.
extension Processor where MMU: ~Copyable {
  /// Finds and enters a translation that the first level does not have at all. False: the case is another one, and
  /// nothing has been changed but the order of use of caches, which the long way, asking the same, leaves as it is.
  ///
  /// Misses are every fourth access of a large random working set. So this is one piece of code from the look-up to the
  /// fill, in which the compiler keeps the entry in a register, where the long way makes a ``Translation`` of it, and of
  /// that an entry again.
  @inline(__always)
  mutating func fillPlainly(_ address: VirtualAddress, _ access: Access) -> Bool {
    let page = address.page
    var entry = cpus.running.second.search(page.raw, context: cpus.running.context)
    if entry != 0 {
      guard entry & access.bit != 0 else { return false }
      machine.counters.tlbL2Hits &+= 1
      machine.counters.cycles.secondTLB &+= machine.description.costs.l2Hit
    } else {
      let walk = backend.walksPlainly(access, in: cpus.running.modeAccesses)
      guard walk != .none && !cpus.running.walksByEntries else { return false }
      entry = machine.walkPlainly(address, access, walk, &cpus.running)
      guard entry != 0 else { return false }
      machine.counters.tlbMisses &+= 1
      cpus.running.second.insert(page.raw, data: entry, context: cpus.running.context)
    }
    machine.counters.translations &+= 1
    if access.isFetch {
      machine.counters.l1FetchMisses &+= 1
      cpus.running.fetches.insert(page.raw, data: entry, context: cpus.running.context)
    } else {
      machine.counters.l1DataMisses &+= 1
      cpus.running.data.insert(page.raw, data: entry, context: cpus.running.context)
    }
    return true
  }
}

extension MachineState {
  /// The walk of ``walk(_:_:_:)`` where a paging-structure cache lets it begin at the leaf, and the leaf grants the access
  /// and has the A and D that it needs: the entry for the TLB. Else 0, and nothing has been counted or changed.
  @inline(__always)
  mutating func walkPlainly(
    _ address: VirtualAddress, _ access: Access, _ walk: PlainWalk, _ cpu: inout VirtualCPU
  ) -> UInt64 {
    guard let start = cpu.structures.startNearLeaf(address, context: cpu.context) else { return 0 }
    let isSmall = start.level == 1
    let index = address.raw &>> (isSmall ? 12 : 21) & 511
    let place = MachineAddress(start.table.address.raw | index &<< 3)
    let leaf = PageTableEntry<MachineSpace>(memory.read(place))
    // One comparison for all that must be set, and all that must not: see ``PageTableEntry/reservedBits(level:under:)``.
    let needed = EntryFlags([.present, .accessed]).rawValue | (access.isStore ? EntryFlags.dirty.rawValue : 0)
    let wanted = isSmall ? needed : needed | EntryFlags.pageSize.rawValue
    let reserved = isSmall ? cpu.hardwareControls.reservedMask : cpu.hardwareControls.reservedMask | 0x1f_e000
    guard leaf.raw & (wanted | reserved) == wanted else { return 0 }
    let rights = start.rights.combined(with: Rights(leaf))
    let allowed = cpu.allowedByRights[Int(rights.raw & 7)]
    guard allowed & access.bit != 0 else { return 0 }
    counters.walks &+= 1
    counters.structureCacheHits &+= 1
    counters.walkReferences &+= 1
    if walk == .guestTables { counters.walkReferencesGuest &+= 1 }
    counters.referencesByLevel.increment(start.level)
    counters.cycles.walk &+= walkCache.cycles(of: place)
    let isGlobal = leaf.isGlobal && cpu.hardwareControls.hasGlobalPages
    return TLBData.make(leaf, isSmall ? .small : .large, rights, allowed: allowed, isGlobal: isGlobal)
  }
}
