internal import Paging

/// One fully associative TLB array at all sizes at once: what an array of n entries would hold is the upper n places of
/// an LRU stack.
struct ReuseArray {
  private var order = RecencyOrder()
  private var entries: [ReuseEntry] = []
  private var unused: [Int] = []
  /// Where an entry is, by its tag; of global entries by the tag without its PCID.
  private var places: [UInt64: Int] = [:]
  private var globals: [UInt64: Int] = [:]
  /// Look-ups that the filter did not answer, and whose walk found a translation.
  private(set) var lookUps: UInt64 = 0
  private(set) var hits = HitsBySize()
  /// Look-ups that some size answers with what the guest's tables no longer say.
  private(set) var staleHits: UInt64 = 0

  /// Enters what a walk has found in all the arrays that have nothing which allows the access. Returns the accesses that
  /// the arrays of all sizes allow from now on.
  mutating func fill(_ tag: UInt64, _ data: UInt64, _ access: Access) -> UInt64 {
    lookUps += 1
    let isGlobal = data & TLBData.global != 0
    if let place = place(of: tag), entries[place].isGlobal != isGlobal {
      staleHits += 1
      remove(place)
    }
    guard let place = place(of: tag) else {
      let place = insert(ReuseEntry(tag: tag, data: data))
      if isGlobal { globals[tag & ~TLBEntry.pcidMask] = place } else { places[tag] = place }
      order.use(place)
      return data
    }
    if entries[place].isContradicted(by: data, access) { staleHits += 1 }
    entries[place].refill(data, access, depth: order.depth(of: place), &hits)
    order.use(place)
    return entries[place].allowedEverywhere
  }

  private func place(of tag: UInt64) -> Int? {
    if !globals.isEmpty, let place = globals[tag & ~TLBEntry.pcidMask] { return place }
    return places[tag]
  }

  private mutating func insert(_ entry: ReuseEntry) -> Int {
    guard let place = unused.popLast() else {
      entries.append(entry)
      return entries.count - 1
    }
    entries[place] = entry
    return place
  }

  private mutating func remove(_ place: Int) {
    let entry = entries[place]
    if entry.isGlobal { globals[entry.tag & ~TLBEntry.pcidMask] = nil } else { places[entry.tag] = nil }
    order.remove(place)
    unused.append(place)
  }

  /// Drops the entry with a tag if the condition holds. `fault`: the access for which a walk has just found no
  /// translation.
  mutating func remove(_ tag: UInt64, fault: Access?, where condition: (TLBEntry) -> Bool) {
    guard let place = place(of: tag), condition(entries[place].newest) else { return }
    if let fault, entries[place].allowsSomewhere(fault) { staleHits += 1 }
    remove(place)
  }

  /// Drops the entries for which the condition holds.
  mutating func removeAll(where condition: (TLBEntry) -> Bool) {
    // In any order: the places that they leave are all alike.
    for place in places.values where condition(entries[place].newest) { remove(place) }
    for place in globals.values where condition(entries[place].newest) { remove(place) }
  }

  /// Drops everything.
  mutating func removeAll() {
    order.removeAll()
    entries.removeAll(keepingCapacity: true)
    unused.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
    globals.removeAll(keepingCapacity: true)
  }

  /// Works the allowed accesses of every entry out again.
  mutating func refresh(under controls: PagingControls) {
    for index in entries.indices { entries[index].refresh(under: controls) }
  }
}

/// How often arrays of each size have answered.
struct HitsBySize {
  /// By size, what the arrays from that size on have answered more than the next smaller.
  private(set) var changes: [Int64] = []

  /// Arrays of these sizes have answered; nil: there is no upper limit.
  mutating func add(_ first: Int, before end: Int?) {
    add(1, at: first)
    if let end { add(-1, at: end) }
  }

  private mutating func add(_ change: Int64, at size: Int) {
    while changes.count <= size { changes.append(0) }
    changes[size] += change
  }

  mutating func add(_ other: HitsBySize) {
    for (size, change) in other.changes.enumerated() { add(change, at: size) }
  }
}
