internal import Paging

/// The pages of one class, from the one used last: no more than any TLB is sure to have of them.
///
/// To use one of them again is a hit that changes nothing but the order of use. It need not be told at once, only before
/// the order matters: when another page of the class comes, and the oldest must go.
struct StripClass {
  private struct Entry {
    let page: UInt64
    /// The accesses (``Access/bit``) that the page has been shown to allow.
    var allowed: UInt64 = 0
    /// Of the guest's page. A TLB's entry may be smaller, and is not larger.
    var size = PageSize.small
    /// When its last access that is in the stripped trace was made.
    var told: UInt64
    /// The last one that is not there, if it has changed the order since.
    var untold: Operation?
  }

  private var entries: [Entry] = []
  private let ways: Int

  init(ways: Int) { self.ways = ways }

  /// How an access is known.
  enum Knowledge { case unknown, latest(PageSize), small }

  func knowledge(_ page: UInt64, _ access: Access) -> Knowledge {
    guard let place = entries.firstIndex(where: { $0.page == page }), entries[place].allowed & access.bit != 0 else {
      return .unknown
    }
    if place == 0 { return .latest(entries[0].size) }
    return entries[place].size == .small ? .small : .unknown
  }

  /// Leaves an access out that is known. Returns the one that is left out for good now, if any.
  mutating func fold(_ page: UInt64, _ operation: Operation) -> Operation? {
    guard entries[0].page != page else {
      guard let former = entries[0].untold else { return operation }
      entries[0].untold = operation
      return former
    }
    guard let place = entries.firstIndex(where: { $0.page == page }) else { return operation }
    var entry = entries.remove(at: place)
    let former = entry.untold
    entry.untold = operation
    entries.insert(entry, at: 0)
    return former
  }

  /// Tells of accesses what is needed for the order of use, that of one page aside.
  mutating func settle(but page: UInt64?, at clock: inout UInt64, _ tell: (Operation) -> Void) {
    var latest: UInt64 = 0
    var isOutOfOrder = false
    for index in entries.indices.reversed() where entries[index].page != page {
      if entries[index].told < latest { isOutOfOrder = true }
      if isOutOfOrder, let operation = entries[index].untold {
        tell(operation)
        clock += 1
        entries[index].told = clock
        entries[index].untold = nil
      }
      latest = entries[index].told
    }
  }

  /// An access that the stripped trace has. `allows`: it has been shown to be allowed. Returns what is left out for good.
  mutating func use(
    _ page: UInt64, _ access: Access, _ size: PageSize, allows: Bool, at clock: inout UInt64
  ) -> [Operation] {
    var entry = Entry(page: page, told: 0)
    if let place = entries.firstIndex(where: { $0.page == page }) { entry = entries.remove(at: place) }
    var lost = [entry.untold].compactMap(\.self)
    if entry.size != size { entry.allowed = 0 }
    if allows { entry.allowed |= access.bit }
    clock += 1
    (entry.size, entry.told, entry.untold) = (size, clock, nil)
    entries.insert(entry, at: 0)
    if entries.count > ways, let last = entries.popLast()?.untold { lost.append(last) }
    return lost
  }

  func has(where condition: (UInt64) -> Bool) -> Bool { entries.contains { condition($0.page) } }

  /// Entries of pages may be gone, and may not: they keep their places, but nothing is known of them. Returns what is left
  /// out for good.
  mutating func doubt(where condition: (UInt64) -> Bool) -> [Operation] {
    var lost: [Operation] = []
    for index in entries.indices where condition(entries[index].page) {
      if let operation = entries[index].untold { lost.append(operation) }
      entries[index].untold = nil
      entries[index].allowed = 0
    }
    return lost
  }

  /// Any entry may be gone. What is used from now on is used later than whatever is left. Returns what is left out for
  /// good.
  mutating func forgetAll() -> [Operation] {
    let lost = entries.compactMap(\.untold)
    entries.removeAll(keepingCapacity: true)
    return lost
  }
}
