internal import Paging

/// mremap: memory that moves, grows or shrinks and keeps what it holds.
extension GuestKernel {
  /// `words`: the old length, the new address, the new length. What is beyond the new length goes; what is beyond the old
  /// is mapped as the last page before it; whatever was at the new address goes.
  mutating func remap(
    _ address: UInt64, _ words: [UInt64], _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    let source = try checked(address, words[0], &port)
    let target = try checked(words[1], words[2], &port)
    let space = try runningSpace(&port)
    let kept = source.lowerBound..<source.lowerBound + UInt64(min(source.count, target.count))
    let distance = target.lowerBound &- source.lowerBound
    if distance != 0 {
      guard !source.overlaps(target) else {
        throw port.error("remap of pages to where some of them are, expected two ranges that do not overlap")
      }
      try unmap(target, in: space, &port)
    }
    try unmap(kept.upperBound..<max(kept.upperBound, source.upperBound), in: space, &port)
    let last = self[space: space].mappings.pieces(in: kept.upperBound - 1..<kept.upperBound).first
    if distance != 0 {
      for piece in self[space: space].mappings.pieces(in: kept) {
        self[space: space].mappings.insert(piece.moved(by: distance))
      }
      try movePages(of: kept, by: distance, in: space, &port)
      try unmap(kept, in: space, &port)
    }
    let grown = kept.upperBound &+ distance..<max(kept.upperBound &+ distance, target.upperBound)
    if grown.isEmpty { return }
    try unmap(grown, in: space, &port)
    guard var mapping = last?.moved(by: distance) else { return }
    mapping.pages = grown
    self[space: space].mappings.insert(mapping)
  }

  /// Moves entries one by one and table by table, large pages whole where both places are aligned (Linux,
  /// `move_page_tables`, without its way of moving whole tables). The new places are empty.
  private mutating func movePages(
    of range: Range<UInt64>, by distance: UInt64, in space: Int, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    try splitEnds(of: range, in: space, &port)
    let table = PageSize.large.pages
    if distance % table != 0 { try splitAll(in: range, space, &port) }
    var stale = FlushRange()
    var first = range.lowerBound
    while first < range.upperBound {
      // As far as one table goes, of the old place and of the new.
      let end = min(range.upperBound, first + table - first % table, first + table - (first &+ distance) % table)
      try reserve(3, &port)
      var found: [(page: UInt64, path: TablePath)] = []
      try forEachEntry(in: space, first..<end, &port) { (_, _, page, path) in found.append((page, path)) }
      for (page, path) in found {
        if path.entry.isPresent { stale.add(page, path.level) }
        try move(path, PageUse(space: space, page: page), to: page &+ distance, &port)
      }
      first = end
    }
    try flush(stale, space, &port)
  }

  private mutating func move(
    _ path: TablePath, _ use: PageUse, to page: UInt64, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    let target = try makePath(page, in: use.space, to: path.level, &port)
    try set(KernelEntry(0), at: path, &port)
    port.count(\.guestPagesMoved)
    let size: PageSize = path.level == 2 ? .large : .small
    let frame = path.entry.paging.frame(of: size)
    if path.entry.hasFrame && frame != zeroPage {
      for index in 0..<size.pages {
        self[frame: frame.advanced(by: index)].replace(
          PageUse(space: use.space, page: use.page + index), with: PageUse(space: use.space, page: page + index))
      }
    }
    try set(path.entry, at: target, &port)
  }
}
