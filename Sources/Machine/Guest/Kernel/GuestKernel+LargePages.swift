internal import Paging

/// Transparent large pages: 2 MiB of anonymous memory in one entry, from the first access on, split when a part of it
/// goes another way.
extension GuestKernel {
  /// Maps a large page if the policy and the mapping allow it and nothing is mapped there yet.
  mutating func mapLarge(
    _ use: PageUse, _ mapping: Mapping, isStore: Bool, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> Bool {
    let first = PageSize.large.first(use.page)
    let range = first..<first + PageSize.large.pages
    guard settings.hasLargePages, mapping.file == .none, range.clamped(to: mapping.pages) == range else { return false }
    guard try isFree(range, use.space, &port) else { return false }
    // What the fault may need beside it stays free.
    guard frames.free > PageSize.large.pages + 5, let frame = frames.allocateBlock() else { return false }
    for index in 0..<PageSize.large.pages {
      setUse(.anonymous, of: frame.advanced(by: index))
      self[frame: frame.advanced(by: index)].insert(PageUse(space: use.space, page: first + index))
      try port.clear(frame.advanced(by: index))
    }
    port.count(\.guestLargePages)
    let isWritable = mapping.rights.isWritable
    let entry = KernelEntry(frame, mapping.rights, isWritable: isWritable, isDirty: isWritable)
    let path = try makePath(use.page, in: use.space, to: 2, &port)
    try set(KernelEntry(entry.paging.setting(.pageSize).raw), at: path, &port)
    return true
  }

  private func isFree(
    _ range: Range<UInt64>, _ space: Int, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> Bool {
    let path = try find(range.lowerBound, in: space, &port)
    return path.level >= 2 && path.entry.isEmpty
  }

  /// A store to a large page that has been shared: whoever is alone with all of it may have it back.
  mutating func reuseLarge(
    _ path: TablePath, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> Bool {
    if path.entry.paging.isWritable { return true }
    let frame = path.entry.paging.frame(of: .large)
    for index in 0..<PageSize.large.pages where self[frame: frame.advanced(by: index)].mappings != 1 { return false }
    port.count(\.guestCopyReuses)
    try set(KernelEntry(path.entry.paging.setting([.writable, .dirty]).raw), at: path, &port)
    return true
  }

  /// Puts a table of 512 small pages in place of a large one (Linux, `__split_huge_pmd`).
  mutating func split(
    _ path: TablePath, _ use: PageUse, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    let large = path.entry.paging
    let frame = large.frame(of: .large)
    let flags = large.clearing(.pageSize).raw & ~0xf_ffff_ffff_f000
    let words = (0..<512).map { frame.advanced(by: UInt64($0)).address.raw | flags }
    port.count(\.guestLargePageSplits)
    let table = try makeTable(level: 1, words, &port)
    self[space: use.space].tables += 1
    try set(KernelEntry(0), at: path, &port)
    try flush(use, &port)
    var empty = path
    empty.entry = KernelEntry(0)
    try set(KernelEntry(PageTableEntry(frame: table, KernelEntry.link).raw), at: empty, &port)
  }

  /// Splits the large pages that reach over either end of a range.
  mutating func splitEnds(
    of range: Range<UInt64>, in space: Int, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    for page in [range.lowerBound, range.upperBound] where page % PageSize.large.pages != 0 && page < AddressSpace.end {
      try reserve(1, &port)
      let path = try find(page, in: space, &port)
      if path.level == 2 && path.entry.isPresent { try split(path, PageUse(space: space, page: page), &port) }
    }
  }
}
