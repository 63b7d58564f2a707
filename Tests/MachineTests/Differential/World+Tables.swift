import Paging

@testable import Machine

extension World {
  private var isDirect: Bool { plan.flavour == .direct }

  /// A random entry for a table of a level; `mostly`: more present, as a guest starts.
  mutating func randomEntry(_ level: Int, mostly: Bool = false) -> UInt64 {
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

  private mutating func hugeFrame() -> UInt64 { random.pick([0, 0x4000_0000]) }

  private mutating func randomFrame() -> UInt64 {
    if random.oneIn(16) { return Layout.device + UInt64(random.below(3)) << 12 }
    return random.oneIn(3) ? random.pick(tables).page : random.pick(Layout.data)
  }

  private mutating func randomTable(below level: Int) -> UInt64 {
    if plan.isTangled && random.oneIn(8) {
      let table = random.pick(tables).page
      return dead.contains(table) ? 0 : table
    }
    let fitting = tables.filter { $0.level == level - 1 && !dead.contains($0.page) }
    return fitting.isEmpty ? (isDirect ? 0 : Layout.device) : random.pick(fitting).page
  }

  // MARK: Stores

  mutating func storeSomething() {
    let table = random.pick(tables)
    guard !dead.contains(table.page) else { return }
    let index = random.pick(Layout.indices(isTop: table.level == plan.levels))
    let place = table.page | index << 3
    let old = words[place, default: 0]
    // Half the stores change flags alone, as kernels do.
    var value = old & 1 == 1 && random.oneIn(2) ? old ^ flagChange() : randomEntry(table.level)
    if isDirect && (value & 1 == 1 && table.level > 1 && value & 0x80 == 0 && value & 0xf_ffff_ffff_f000 == 0) {
      value = 0
    }
    let stale = affected([place: value])
    let canBeNamed = plan.flavour != .omitting
    let va = canBeNamed && !random.oneIn(4) ? mappingForStore(place) : nil
    if let va { prepareAccess(va) }
    guest.store(value, at: place, va: va, size: va != nil && random.oneIn(6) ? 1 : 8)
    if let va {
      _ = perform(ReferenceWalker.Request(va: va, user: false, write: true))
    } else {
      written.append((guest.next - 1, place >> 12))
    }
    words[place] = value
    flush(stale)
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
      let result = walker.walk(request, root: roots[cpus[current].root]) { words[$0, default: 0] }
      if result.code == nil && result.pa == place { return request.va }
    }
    return nil
  }

  /// A table gets other contents, or a dead one comes to life again.
  mutating func announceSomething() {
    let table = random.pick(tables)
    var changes: [UInt64: UInt64] = [:]
    for index in Layout.indices(isTop: table.level == plan.levels) {
      changes[table.page | index << 3] = randomEntry(table.level, mostly: true)
    }
    let stale = affected(changes)
    for (place, value) in changes {
      words[place] = value
      guest.set(value, at: place)
    }
    dead.remove(table.page)
    guest.announce(table.page)
    flush(stale)
  }

  /// A table that no entry leads to becomes ordinary memory.
  mutating func giveUpSomething() {
    let table = random.pick(tables)
    guard table.level < plan.levels, !dead.contains(table.page) else { return }
    let isLinked = tables.contains { holder in
      (0..<512).contains { index in
        let word = words[holder.page | UInt64(index) << 3, default: 0]
        let mayBeLink = plan.isTangled || holder.level > 1 && word & 0x80 == 0
        return mayBeLink && word & 1 == 1 && word & 0xf_ffff_ffff_f000 == table.page
      }
    }
    guard !isLinked else { return }
    dead.insert(table.page)
    guest.append(.tableGone, table.page, size: UInt16(table.level))
  }
}
