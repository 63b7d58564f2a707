import Paging

@testable import Machine

extension World {
  /// The translations, in any address space, that a change of words makes stale so that they must be flushed (SDM 3A 4.10.4.2).
  func affected(_ changes: [UInt64: UInt64]) -> [Mapping] {
    // Turning SMAP on flushes nothing, so with it pages of the user's must never be taken for the supervisor's.
    let takesFromSupervisor = plan.hasSMAP || cpus.contains { $0.registers.cr4 & CR4.smep != 0 }
    let places = changes.filter { needsFlush(words[$0.key, default: 0], $0.value, takesFromSupervisor) }.keys
    guard !places.isEmpty else { return [] }
    var seen: Set<[UInt64]> = []
    var found: [Mapping] = []
    for root in roots.indices {
      for va in pages where uses(path(va, root), places) {
        // A walk that ends in an absent entry below leaves paging-structure entries; they go with any INVLPG.
        let mapping =
          mapping(va, root)
          ?? Mapping(root: root, va: va, level: 1, shift: 12, frame: 0, isGlobal: false, rights: 0)
        let page = va >> mapping.shift
        if seen.insert([UInt64(root), UInt64(mapping.level), page]).inserted { found.append(mapping) }
      }
    }
    return found
  }

  private func uses(_ path: ReferenceWalker.Result, _ places: Dictionary<UInt64, UInt64>.Keys) -> Bool {
    path.read.contains(where: places.contains) || path.pointer.map(places.contains) == true
  }

  private func needsFlush(_ old: UInt64, _ new: UInt64, _ takesFromSupervisor: Bool) -> Bool {
    if old & 1 == 0 { return false }
    let lost = old & ~new & 7 != 0 || new & ~old >> 63 != 0
    let moved = (old ^ new) & 0xf_ffff_ffff_f180 != 0
    return lost || moved || takesFromSupervisor && new & ~old & 4 != 0
  }

  /// Flushes translations on this CPU now, on the others before they run again.
  mutating func flush(_ stale: [Mapping]) {
    if plan.flavour == .omitting && random.oneIn(2) { return }
    for index in cpus.indices where index != current { cpus[index].pending += stale }
    flushHere(stale)
  }

  private mutating func flushHere(_ stale: [Mapping]) {
    guard !stale.isEmpty else { return }
    if random.oneIn(6) || stale.count > 24 { return flushEverything() }
    let running = cpus[current].root
    var hasFlushed: Set<Int> = []
    for mapping in stale {
      if mapping.root == running || mapping.isGlobal { invlpg(mapping) }
      guard mapping.root != running, plan.hasPCID, !hasFlushed.contains(mapping.root) else { continue }
      switch random.below(3) {
      case 0: guest.invpcid(0, pcid: pcid(mapping.root), va: mapping.va)
      case 1:
        guest.invpcid(1, pcid: pcid(mapping.root))
        hasFlushed.insert(mapping.root)
      default: cpus[current].unclean.insert(mapping.root)
      }
    }
  }

  private mutating func invlpg(_ mapping: Mapping) {
    guest.invlpg(mapping.va)
    cpus[current].globals.removeAll { $0.covers(mapping.va) }
  }

  mutating func flushEverything() {
    cpus[current].globals = []
    if random.oneIn(2) { return guest.invpcid(2) }
    let cr4 = cpus[current].registers.cr4
    guest.append(.loadCR4, cr4 ^ CR4.globalPages)
    guest.append(.loadCR4, cr4)
    loadPointers(current)
  }

  /// Before an access: the flushes that other CPUs have asked for, and INVLPG of a global page that another address
  /// space has mapped otherwise here.
  mutating func prepareAccess(_ va: UInt64) {
    guard plan.flavour != .omitting || random.oneIn(2) else { return }
    let pending = cpus[current].pending
    cpus[current].pending = []
    flushHere(pending)
    guard plan.flavour != .omitting else { return }
    let now = mapping(va, cpus[current].root)
    let conflicts = cpus[current].globals.filter { old in
      guard old.covers(va) else { return false }
      guard let now, now.level == old.level, now.frame == old.frame else { return true }
      return old.rights & ~now.rights != 0 || !now.isGlobal || old.rights & 2 != now.rights & 2
    }
    if let first = conflicts.first {
      var mapping = first
      mapping.va = va
      invlpg(mapping)
    }
  }

  // MARK: Registers

  mutating func loadCR3() {
    let root = random.below(roots.count)
    var keeps = plan.hasPCID && random.oneIn(2)
    if plan.flavour != .omitting && cpus[current].unclean.contains(root) { keeps = false }
    if !keeps { cpus[current].unclean.remove(root) }
    cpus[current].root = root
    cpus[current].registers.cr3 = roots[root] | pcid(root)
    guest.cr3(roots[root] | pcid(root) | (keeps ? CR3.noFlush : 0))
    loadPointers(current)
  }

  mutating func flipSomething() {
    switch random.below(plan.hasSMAP ? 5 : 4) {
    case 4:
      cpus[current].registers.cr4 ^= CR4.smap
      guest.append(.loadCR4, cpus[current].registers.cr4)
    case 0:
      cpus[current].registers.cr0 ^= CR0.writeProtect
      guest.append(.loadCR0, cpus[current].registers.cr0)
    case 1:
      cpus[current].registers.cr4 ^= CR4.smep
      guest.append(.loadCR4, cpus[current].registers.cr4)
      loadPointers(current)
    case 2:
      cpus[current].registers.cr4 ^= CR4.globalPages
      cpus[current].globals = []
      guest.append(.loadCR4, cpus[current].registers.cr4)
      loadPointers(current)
    default:
      // EFER.NXE is one for all CPUs, as in every kernel: NX bits are reserved ones without it.
      let running = current
      let efer = cpus[current].registers.efer ^ EFER.noExecute
      for index in cpus.indices {
        switchCPU(index)
        cpus[index].registers.efer = efer
        guest.append(.loadEFER, efer)
        flushEverything()
      }
      switchCPU(running)
    }
  }
}
