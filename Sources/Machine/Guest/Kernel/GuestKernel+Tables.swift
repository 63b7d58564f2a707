internal import Paging

extension GuestKernel {
  /// A table with these words, which the processor may walk from now on.
  mutating func makeTable(
    level: Int, _ words: [UInt64], _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> PPN {
    let page = try allocate(.table, &port)
    self[frame: page].entries = words.prefix(level == 4 ? 256 : 512).count { $0 != 0 }
    try port.enter(page, level: level, words)
    return page
  }

  /// The last entry that the tables have for a page.
  func find(
    _ page: UInt64, in space: Int, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> TablePath {
    var table = self[space: space].root
    var level = 4
    while true {
      let place = table.entryAddress(VirtualAddress(page << 12), level: level)
      let entry = KernelEntry(try port.entry(at: place))
      guard level > 1, entry.paging.pointsToTable(level: level) else {
        return TablePath(place: place, level: level, entry: entry)
      }
      table = entry.paging.frame
      level -= 1
    }
  }

  /// The same, down to a level: tables that are missing are made.
  mutating func makePath(
    _ page: UInt64, in space: Int, to level: Int, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> TablePath {
    while true {
      let path = try find(page, in: space, &port)
      guard path.level > level, path.entry.isEmpty else { return path }
      let table = try makeTable(level: path.level - 1, Array(repeating: 0, count: 512), &port)
      self[space: space].tables += 1
      try set(KernelEntry(PageTableEntry(frame: table, KernelEntry.link).raw), at: path, &port)
    }
  }

  /// Replaces the entry at the end of a path.
  mutating func set(
    _ entry: KernelEntry, at path: TablePath, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    let table = path.place.page
    self[frame: table].entries += (entry.isEmpty ? 0 : 1) - (path.entry.isEmpty ? 0 : 1)
    try port.store(entry.raw, at: path.place)
  }

  /// Calls for each entry, that is not 0, of the lowest tables, and for large pages, within a range of pages, in order;
  /// `after` for each link whose table has been done with.
  mutating func forEachEntry<Port: KernelPort & ~Copyable>(
    in space: Int, _ range: Range<UInt64>, _ port: inout Port,
    _ body: (inout GuestKernel, inout Port, UInt64, TablePath) throws(ReplayError) -> Void,
    after: ((inout GuestKernel, inout Port, UInt64, TablePath) throws(ReplayError) -> Void)? = nil
  ) throws(ReplayError) {
    let root = TablePage(page: self[space: space].root, level: 4)
    try forEachEntry(of: root, at: 0, range.clamped(to: 0..<AddressSpace.end), &port, body, after)
  }

  private mutating func forEachEntry<Port: KernelPort & ~Copyable>(
    of table: TablePage, at start: UInt64, _ range: Range<UInt64>, _ port: inout Port,
    _ body: (inout GuestKernel, inout Port, UInt64, TablePath) throws(ReplayError) -> Void,
    _ after: ((inout GuestKernel, inout Port, UInt64, TablePath) throws(ReplayError) -> Void)?
  ) throws(ReplayError) {
    let shift = UInt64(9 * (table.level - 1))
    let last = min(start + 512 << shift, range.upperBound)
    var page = (max(start, range.lowerBound) >> shift) << shift
    while page < last {
      let place = table.page.entryAddress(VirtualAddress(page << 12), level: table.level)
      let entry = KernelEntry(try port.entry(at: place))
      let path = TablePath(place: place, level: table.level, entry: entry)
      if entry.paging.pointsToTable(level: table.level) {
        let below = TablePage(page: entry.paging.frame, level: table.level - 1)
        try forEachEntry(of: below, at: page, range, &port, body, after)
        try after?(&self, &port, page, path)
      } else if !entry.isEmpty {
        try body(&self, &port, page, path)
      }
      page += 1 << shift
    }
  }

  /// Every table of an address space, top first.
  mutating func tables(
    of space: Int, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> [TablePage] {
    var found = [TablePage(page: self[space: space].root, level: 4)]
    var next = 0
    while next < found.count {
      let table = found[next]
      next += 1
      guard table.level > 1 else { continue }
      for index in 0..<(table.level == 4 ? 256 : 512) {
        let entry = KernelEntry(try port.entry(at: table.page.entryAddress(index: index)))
        guard entry.paging.pointsToTable(level: table.level) else { continue }
        found.append(TablePage(page: entry.paging.frame, level: table.level - 1))
      }
    }
    return found
  }

  /// Takes a table out that the entry at the end of a path leads to.
  mutating func removeTable(
    _ path: TablePath, in space: Int, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    let table = path.entry.paging.frame
    try set(KernelEntry(0), at: path, &port)
    try port.retire(table, level: path.level - 1)
    self[space: space].tables -= 1
    release(table)
  }

  // MARK: The direct map

  /// Where the kernel has all physical memory mapped (Linux, `PAGE_OFFSET` of 4-level paging without randomisation).
  static var directMapBase: UInt64 { 0xffff_8880_0000_0000 }

  /// Makes the tables of the direct map, of pages as large as asked for where memory fills them.
  mutating func mapAllMemory(
    _ largest: PageSize, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    let table = PageTableEntry<PhysicalSpace>(0)
    var slot = Int(VirtualAddress(Self.directMapBase).tableIndex(level: 4)) - 256
    var first: UInt64 = 0
    let perSlot: UInt64 = 1 << 27
    while first < frames.limit {
      guard slot < 256 else { throw port.error("ram beyond what the direct map has room for, 64 TiB") }
      let below = try directTable(level: 3, first, largest, &port)
      kernelHalf[slot] = table.raw | below.address.raw | KernelEntry.kernelLink.rawValue
      slot += 1
      first += perSlot
    }
  }

  private mutating func directTable(
    level: Int, _ start: UInt64, _ largest: PageSize, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> PPN {
    var words = [UInt64](repeating: 0, count: 512)
    let pages: UInt64 = 1 << UInt64(9 * (level - 1))
    for index in 0..<512 {
      let first = start + UInt64(index) * pages
      guard first < frames.limit else { break }
      if level <= largest.level && first + pages <= frames.limit {
        var flags: EntryFlags = [.present, .writable, .accessed, .dirty, .global, .noExecute]
        if level > 1 { flags.insert(.pageSize) }
        words[index] = PageTableEntry<PhysicalSpace>(frame: PPN(first), flags).raw
      } else {
        let below = try directTable(level: level - 1, first, largest, &port)
        words[index] = PageTableEntry<PhysicalSpace>(frame: below, KernelEntry.kernelLink).raw
      }
    }
    return try makeTable(level: level, words, &port)
  }
}
