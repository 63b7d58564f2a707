internal import Paging

/// The TLB of one virtual CPU at all sizes at once: an array a page size for fetches, and one for loads and stores.
///
/// The CPU's own TLB is a filter before it, of one entry an array: what hits there is the entry used last in arrays of
/// every size, and changes none of them. What does not, walks, and the walk's outcome is entered here.
struct ReuseStacks {
  /// Fetches by page size, then loads and stores.
  private(set) var arrays = Array(repeating: ReuseArray(), count: 2 * PageSize.allCases.count)

  static func index(isFetch: Bool, _ size: PageSize) -> Int {
    (isFetch ? 0 : PageSize.allCases.count) + (PageSize.allCases.firstIndex(of: size) ?? 0)
  }

  /// A walk has found a translation. Returns what the filter may have of it: the accesses that all sizes allow.
  mutating func fill(_ page: UInt64, _ data: UInt64, context: UInt64, _ access: Access) -> UInt64 {
    let size = TLBData.size(data)
    let tag = TLBEntry.tag(page, size, context: context)
    let allowed = arrays[Self.index(isFetch: access.isFetch, size)].fill(tag, data, access)
    return data & (allowed | ~TLBData.allowed)
  }

  /// Drops the entries that translate a page, if the condition holds. `fault`: the access that has just been refused.
  mutating func remove(
    _ page: UInt64, context: UInt64, fault: Access? = nil, where condition: (TLBEntry) -> Bool = { _ in true }
  ) {
    for isFetch in [true, false] {
      for size in PageSize.allCases {
        let tag = TLBEntry.tag(page, size, context: context)
        let access = fault.flatMap { $0.isFetch == isFetch ? $0 : nil }
        arrays[Self.index(isFetch: isFetch, size)].remove(tag, fault: access, where: condition)
      }
    }
  }

  /// Drops the entries for which the condition holds.
  mutating func removeAll(where condition: (TLBEntry) -> Bool) {
    for index in arrays.indices { arrays[index].removeAll(where: condition) }
  }

  /// Drops everything.
  mutating func removeAll() {
    for index in arrays.indices { arrays[index].removeAll() }
  }

  mutating func refresh(under controls: PagingControls) {
    for index in arrays.indices { arrays[index].refresh(under: controls) }
  }
}
