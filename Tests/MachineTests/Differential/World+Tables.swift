import Paging

@testable import Machine

extension World {
  private var isDirect: Bool { plan.flavour == .direct }

  /// A random entry for a table of a level; `mostly`: more present, as a guest starts.
  mutating func randomEntry(_ level: Int, mostly: Bool = false) -> UInt64 {
    if level == 3 && plan.levels == 3 { return randomPointer() }
    if plan.levels == 2 { return randomNarrowEntry(level, mostly: mostly) }
    if random.oneIn(mostly ? 8 : 4) { return random.oneIn(2) ? 0 : UInt64(random.below(1 << 20)) << 12 | 0x66 }
    var entry: UInt64 = 1
    if !random.oneIn(5) { entry |= 2 }
    if !random.oneIn(5) { entry |= 4 }
    if random.oneIn(2) { entry |= 0x20 }
    if random.oneIn(2) { entry |= 0x40 }
    if random.oneIn(8) { entry |= 1 << 63 }
    if random.oneIn(4) { entry |= UInt64(random.below(8)) << 9 }
    let isLeaf = level == 1 || (level <= (isDirect ? 2 : 3) && random.oneIn(4))
    if isLeaf && random.oneIn(3) { entry |= 0x100 }
    if !isDirect {
      if random.oneIn(8) { entry |= UInt64(random.below(4)) << 3 }
      // Bit 7 of a level-1 entry is PAT; above level 3 it is reserved. Bits 13 and 50 are reserved in some.
      if level != 2 && level != 3 && random.oneIn(level == 1 ? 6 : 30) { entry |= 0x80 }
      if random.oneIn(40) { entry |= 1 << 50 }
    }
    guard isLeaf else { return entry | randomTable(below: level) }
    if level == 1 { return entry | randomFrame() }
    if !isDirect && random.oneIn(30) { entry |= 1 << 13 }
    return entry | 0x80 | (random.oneIn(12) ? Layout.device : level == 2 ? random.pick(Layout.large) : hugeFrame())
  }

  /// A pointer of PAE paging, without reserved bits: a load of a bad one is a fault of the load.
  private mutating func randomPointer() -> UInt64 {
    if random.oneIn(6) { return random.oneIn(2) ? 0 : 0x66 }
    return randomTable(below: 3) | 1 | (random.oneIn(4) ? 0x218 : 0)
  }

  /// An entry of 32 bits: no NX, and one reserved bit, 21 in a page of 4 MiB; bit 13 there is address bit 32.
  private mutating func randomNarrowEntry(_ level: Int, mostly: Bool) -> UInt64 {
    if random.oneIn(mostly ? 8 : 4) { return random.oneIn(2) ? 0 : UInt64(random.below(1 << 20)) << 12 | 0x66 }
    var entry: UInt64 = 1
    if !random.oneIn(5) { entry |= 2 }
    if !random.oneIn(5) { entry |= 4 }
    if random.oneIn(2) { entry |= 0x20 }
    if random.oneIn(2) { entry |= 0x40 }
    if random.oneIn(4) { entry |= UInt64(random.below(8)) << 9 }
    if random.oneIn(8) { entry |= UInt64(random.below(4)) << 3 }
    let isLeaf = level == 1 || random.oneIn(4)
    if isLeaf && random.oneIn(3) { entry |= 0x100 }
    if level == 1 && random.oneIn(6) { entry |= 0x80 }
    guard isLeaf else { return entry | randomTable(below: level) }
    if level == 1 { return entry | randomFrame() }
    if random.oneIn(30) { entry |= random.pick([1 << 13, 1 << 21]) }
    return entry | 0x80 | random.pick([0, 0x40_0000, 0x4000_0000, Layout.device])
  }

  private mutating func hugeFrame() -> UInt64 { random.pick([0, 0x4000_0000]) }

  private mutating func randomFrame() -> UInt64 {
    if random.oneIn(16) { return Layout.device + UInt64(random.below(3)) << 12 }
    return random.oneIn(3) ? random.pick(tables).page : random.pick(Layout.data)
  }

  private mutating func randomTable(below level: Int) -> UInt64 {
    if plan.isTangled && random.oneIn(8) {
      // A in a pointer of PAE paging would be a reserved bit.
      let table = random.pick(tables.filter { plan.levels != 3 || $0.level < 3 }).page
      return dead.contains(table) ? 0 : table
    }
    let fitting = tables.filter { $0.level == level - 1 && !dead.contains($0.page) }
    return fitting.isEmpty ? (isDirect ? 0 : Layout.device) : random.pick(fitting).page
  }

  // MARK: Stores

  mutating func storeSomething() {
    let table = random.pick(tables)
    guard !dead.contains(table.page) else { return }
    let index = random.pick(Layout.indices(table.level, of: plan.levels))
    let place = table.page | Layout.offset(index, of: plan.levels)
    let isPointer = plan.levels == 3 && table.level == 3
    let old = words[place, default: 0]
    // Half the stores change flags alone, as kernels do.
    var value = old & 1 == 1 && !isPointer && random.oneIn(2) ? old ^ flagChange() : randomEntry(table.level)
    if isDirect && (value & 1 == 1 && table.level > 1 && value & 0x80 == 0 && value & 0xf_ffff_ffff_f000 == 0) {
      value = 0
    }
    if plan.levels == 2 { value &= 0xffff_ffff }
    let stale = affected([place: value])
    let canBeNamed = plan.flavour != .omitting
    let va = canBeNamed && !random.oneIn(4) ? mappingForStore(place) : nil
    if let va { prepareAccess(va) }
    let width: UInt16 = plan.levels == 2 ? 4 : 8
    guest.store(value, at: place, va: va, size: va != nil && random.oneIn(6) ? 1 : width)
    if let va {
      _ = perform(ReferenceWalker.Request(va: va, user: false, write: true))
    } else {
      written.append((guest.next - 1, place >> 12))
    }
    words[place] = value
    flush(stale)
    if isPointer { reloadPointers(of: table.page) }
  }

  /// Pointers of PAE paging take effect when CR3 is loaded.
  private mutating func reloadPointers(of page: UInt64) {
    if plan.flavour == .omitting && random.oneIn(2) { return }
    let running = current
    for index in cpus.indices where roots[cpus[index].root] == page {
      switchCPU(index)
      guest.cr3(page)
      loadPointers(index)
    }
    switchCPU(running)
  }

  private mutating func flagChange() -> UInt64 {
    let changes: [UInt64] = [1, 2, 4, 0x20, 0x40, 0x60, 0x200, 1 << 63, 0x22, 0x40, 0x100]
    let change = random.pick(changes)
    // G is for leaves; which this is, the caller does not say: direct paging refuses it elsewhere.
    return isDirect && change == 0x100 ? 0x200 : change
  }

  /// An address through which the current CPU's supervisor may store to a place.
  private mutating func mappingForStore(_ place: UInt64) -> UInt64? {
    let start = random.below(pages.count)
    for page in pages[start...] + pages[..<start] {
      let request = ReferenceWalker.Request(va: page | place & 0xfff, user: false, write: true)
      let result = walk(request)
      if result.code == nil && result.pa == place { return request.va }
    }
    return nil
  }

  /// A table gets other contents, or a dead one comes to life again.
  mutating func announceSomething() {
    let table = random.pick(tables)
    var changes: [UInt64: UInt64] = [:]
    for index in Layout.indices(table.level, of: plan.levels) {
      changes[table.page | Layout.offset(index, of: plan.levels)] = randomEntry(table.level, mostly: true)
    }
    let stale = affected(changes)
    for (place, value) in changes {
      words[place] = value
      guest.set(value, at: place)
    }
    dead.remove(table.page)
    guest.announce(table.page)
    flush(stale)
    if plan.levels == 3 && table.level == 3 { reloadPointers(of: table.page) }
  }

  /// A table that no entry leads to becomes ordinary memory.
  mutating func giveUpSomething() {
    let table = random.pick(tables)
    guard table.level < plan.levels, !dead.contains(table.page) else { return }
    let isLinked = tables.contains { holder in
      Layout.indices(holder.level, of: plan.levels).contains { index in
        let word = words[holder.page | Layout.offset(index, of: plan.levels), default: 0]
        let mayBeLink = plan.isTangled || holder.level > 1 && word & 0x80 == 0
        return mayBeLink && word & 1 == 1 && word & 0xf_ffff_ffff_f000 == table.page
      }
    }
    guard !isLinked else { return }
    dead.insert(table.page)
    guest.append(.tableGone, table.page, size: UInt16(table.level))
  }
}
