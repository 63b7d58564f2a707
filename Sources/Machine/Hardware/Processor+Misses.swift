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
  @inline(never)
  mutating func fillPlainly(_ address: VirtualAddress, _ access: Access) -> Bool {
    let page = address.page
    var entry = cpus.running.second.find(page.raw, context: cpus.running.context)
    if entry != 0 {
      guard entry & access.bit != 0 else { return false }
      machine.counters.tlbL2Hits &+= 1
      machine.counters.cycles.secondTLB &+= machine.description.costs.l2Hit
    } else {
      if cpus.running.walksByEntries { return false }
      entry = backend.walkPlainly(address, access, &cpus.running, &machine)
      guard entry != 0 else { return false }
      machine.counters.tlbMisses &+= 1
      cpus.running.second.add(page.raw, data: entry, context: cpus.running.context)
    }
    machine.counters.translations &+= 1
    if access.isFetch {
      machine.counters.l1FetchMisses &+= 1
      cpus.running.fetches.addForLoop(page.raw, data: entry, context: cpus.running.context)
    } else {
      machine.counters.l1DataMisses &+= 1
      cpus.running.data.addForLoop(page.raw, data: entry, context: cpus.running.context)
    }
    return true
  }
}

/// A leaf that a paging-structure cache leads to, and that grants an access and has the A and D that it needs.
struct PlainLeaf {
  let place: MachineAddress
  let entry: UInt64
  /// Of a page of 4 KiB; else of 2 MiB.
  let isSmall: Bool
  let rights: Rights
  /// What these allow (``Access/bit``).
  let allowed: UInt64

  @inline(__always) var size: PageSize { isSmall ? .small : .large }
}

extension MachineState {
  /// The leaf for an access, nil if its walk is another one. Nothing is counted.
  @inline(__always)
  func plainLeaf(_ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU) -> PlainLeaf? {
    guard let start = cpu.structures.startNearLeaf(address, context: cpu.context) else { return nil }
    let isSmall = start.level == 1
    let index = address.raw &>> (isSmall ? 12 : 21) & 511
    let place = MachineAddress(start.table.address.raw | index &<< 3)
    let leaf = PageTableEntry<MachineSpace>(memory.read(place))
    // One comparison for all that must be set, and all that must not: see ``PageTableEntry/reservedBits(level:under:)``.
    let needed = EntryFlags([.present, .accessed]).rawValue | (access.isStore ? EntryFlags.dirty.rawValue : 0)
    let wanted = isSmall ? needed : needed | EntryFlags.pageSize.rawValue
    let reserved = isSmall ? cpu.hardwareControls.reservedMask : cpu.hardwareControls.reservedMask | 0x1f_e000
    guard leaf.raw & (wanted | reserved) == wanted else { return nil }
    let rights = start.rights.combined(with: Rights(leaf))
    let allowed = cpu.allowedByRights[Int(rights.raw & 7)]
    guard allowed & access.bit != 0 else { return nil }
    return PlainLeaf(place: place, entry: leaf.raw, isSmall: isSmall, rights: rights, allowed: allowed)
  }

  /// A walk that has read one entry, the leaf.
  @inline(__always) mutating func countWalk(of leaf: PlainLeaf, isGuests: Bool) {
    counters.walks &+= 1
    counters.structureCacheHits &+= 1
    counters.walkReferences &+= 1
    if isGuests { counters.walkReferencesGuest &+= 1 }
    counters.referencesByLevel.increment(leaf.isSmall ? 1 : 2)
    counters.cycles.walk &+= walkCache.cycles(of: leaf.place)
  }

  /// ``walk(_:_:_:)`` where it reads but the leaf, as ``Backend/walkPlainly(_:_:_:_:)`` says. `isGuests`: the tables are the
  /// guest's own.
  @inline(__always)
  mutating func walkPlainly(
    _ address: VirtualAddress, _ access: Access, isGuests: Bool, _ cpu: inout VirtualCPU
  ) -> UInt64 {
    guard let found = plainLeaf(address, access, &cpu) else { return 0 }
    countWalk(of: found, isGuests: isGuests)
    let leaf = PageTableEntry<MachineSpace>(found.entry)
    let isGlobal = leaf.isGlobal && cpu.hardwareControls.hasGlobalPages
    return TLBData.make(leaf, found.size, found.rights, allowed: found.allowed, isGlobal: isGlobal)
  }
}
