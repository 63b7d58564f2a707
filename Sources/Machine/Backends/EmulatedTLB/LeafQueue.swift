internal import Paging

/// The leaves of one CPU's emulated TLB in the order in which they were made, so that the oldest can go first.
struct LeafQueue {
  struct Leaf {
    var place: MachineAddress
    /// What it translates.
    var page: VPN
    /// Of its table.
    var tag: UInt16
    fileprivate var stamp: UInt64
  }

  /// Made and perhaps gone since: those count whose stamp their place still has.
  private var made: [Leaf] = []
  /// Where the oldest may be.
  private var head = 0
  private var present: [MachineAddress: (stamp: UInt64, tag: UInt16)] = [:]
  private var clock: UInt64 = 0

  var count: Int { present.count }

  mutating func insert(_ place: MachineAddress, of page: VPN, tag: UInt16) {
    clock += 1
    present[place] = (clock, tag)
    made.append(Leaf(place: place, page: page, tag: tag, stamp: clock))
    if made.count > 2 * present.count + 1024 { compact() }
  }

  mutating func remove(_ place: MachineAddress) { present[place] = nil }

  /// Forgets the leaves of one table.
  mutating func removeAll(tag: UInt16) {
    present = present.filter { $0.value.tag != tag }
    compact()
  }

  mutating func removeOldest() -> Leaf? {
    while head < made.count {
      let leaf = made[head]
      head += 1
      if present[leaf.place]?.stamp == leaf.stamp {
        present[leaf.place] = nil
        return leaf
      }
    }
    return nil
  }

  private mutating func compact() {
    made = made[head...].filter { present[$0.place]?.stamp == $0.stamp }
    head = 0
  }
}
