internal import Paging

extension GuestKernel {
  /// A new address space with nothing mapped. Returns its index.
  mutating func makeSpace(_ port: inout some KernelPort & ~Copyable) throws(ReplayError) -> Int {
    let root = try makeTable(level: 4, emptyRoot, &port)
    return addSpace(root)
  }

  private mutating func addSpace(_ root: PPN) -> Int {
    var space = AddressSpace(root: root, pcid: settings.hasPCID ? takePCID() : 0)
    if settings.mapsImplicitly { space.mappings.insert(Mapping(pages: 0..<AddressSpace.end, rights: .all)) }
    guard let index = spaces.firstIndex(where: { $0 == nil }) else {
      spaces.append(space)
      return spaces.count - 1
    }
    spaces[index] = space
    return index
  }

  /// The lowest free PCID; 0, which is never kept over a CR3 load, when all are in use.
  private mutating func takePCID() -> UInt64 {
    for pcid in 1..<pcids where usedPCIDs.insert(pcid).inserted { return pcid }
    return 0
  }

  /// What CR3 gets for an address space: with bit 63 if what is cached of it is still right.
  mutating func rootValue(of space: Int) -> UInt64 {
    let keeps = self[space: space].pcid != 0 && !self[space: space].needsFlush
    self[space: space].needsFlush = false
    return self[space: space].root.address.raw | self[space: space].pcid | (keeps ? CR3.noFlush : 0)
  }

  // MARK: Switch

  /// Another process runs. One that nobody has heard of begins with an empty address space.
  mutating func run(_ process: UInt64, _ port: inout some KernelPort & ~Copyable) throws(ReplayError) {
    if process == running { return }
    if processes[process] == nil {
      try reserve(1, &port)
      processes[process] = try makeSpace(&port)
    }
    running = process
    try port.loadRoot(rootValue(of: try space(of: process, &port)))
  }

  /// Flushes all that is cached of an address space.
  mutating func flushAll(_ space: Int, _ port: inout some KernelPort & ~Copyable) throws(ReplayError) {
    self[space: space].needsFlush = true
    if space == current { try port.loadRoot(rootValue(of: space)) }
  }

  // MARK: Fork

  /// Gives a new process a copy of another's memory, of which each page is copied when either stores to it. Pages of files
  /// are left out: a fault finds them again.
  mutating func fork(
    _ parent: UInt64, _ child: UInt64, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    let source = try space(of: parent, &port)
    if processes[child] != nil { throw port.error("fork of process \(child), which exists already") }
    // Reclaim may split large pages, which makes more tables.
    while frames.free <= self[space: source].tables { try reserve(UInt64(self[space: source].tables), &port) }
    var copy = TableCopy()
    let root = try copyTable(TablePage(page: self[space: source].root, level: 4), at: 0, &copy, &port)
    let space = addSpace(root)
    processes[child] = space
    self[space: space].mappings = self[space: source].mappings
    self[space: space].tables = copy.tables.count
    for (frame, page) in copy.shared { self[frame: frame].insert(PageUse(space: space, page: page)) }
    // The new tables come to life complete, the top-level one last (Linux under Xen, `xen_dup_mmap`).
    for table in copy.tables {
      self[frame: table.table.page].entries = table.words.prefix(table.table.level == 4 ? 256 : 512).count { $0 != 0 }
      try port.enter(table.table.page, level: table.table.level, table.words)
    }
    port.count(\.guestForks)
    if copy.hasProtected { try flushAll(source, &port) }
  }

  /// The tables of a child, which are made before anything leads to them.
  private struct TableCopy {
    var tables: [(table: TablePage, words: [UInt64])] = []
    var shared: [(frame: PPN, page: UInt64)] = []
    /// The parent has lost a write right.
    var hasProtected = false
  }

  /// Returns the page of the copy.
  private mutating func copyTable(
    _ table: TablePage, at start: UInt64, _ copy: inout TableCopy, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> PPN {
    let page = try allocate(.table, &port)
    var words = table.level == 4 ? emptyRoot : Array(repeating: 0, count: 512)
    for index in 0..<(table.level == 4 ? 256 : 512) {
      let place = table.page.entryAddress(index: index)
      let entry = KernelEntry(try port.entry(at: place))
      if entry.isEmpty { continue }
      let first = start + UInt64(index) << UInt64(9 * (table.level - 1))
      if entry.paging.pointsToTable(level: table.level) {
        let below = TablePage(page: entry.paging.frame, level: table.level - 1)
        let copied = try copyTable(below, at: first, &copy, &port)
        words[index] = PageTableEntry<PhysicalSpace>(frame: copied, KernelEntry.link).raw
      } else {
        let path = TablePath(place: place, level: table.level, entry: entry)
        words[index] = try share(path, first, &copy, &port).raw
      }
    }
    copy.tables.append((TablePage(page: page, level: table.level), words))
    return page
  }

  /// Shares what an entry names with a child. Returns the child's entry; the parent's becomes read-only too.
  private mutating func share(
    _ path: TablePath, _ page: UInt64, _ copy: inout TableCopy, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> KernelEntry {
    let entry = path.entry
    if let slot = entry.slot {
      swap.retain(slot)
      return entry
    }
    let size: PageSize = path.level == 2 ? .large : .small
    let frame = entry.paging.frame(of: size)
    if frame == zeroPage { return entry }
    if self[frame: frame].use == .file { return KernelEntry(0) }
    for index in 0..<size.pages { copy.shared.append((frame.advanced(by: index), page + index)) }
    // The child has not accessed it (Linux, `copy_present_pte`).
    let copied = KernelEntry(entry.paging.clearing([.writable, .accessed]).raw)
    if entry.isPresent && entry.paging.isWritable {
      try set(KernelEntry(entry.paging.clearing(.writable).raw), at: path, &port)
      copy.hasProtected = true
    }
    return copied
  }

  // MARK: Exec and exit

  /// A process begins anew with nothing mapped.
  mutating func exec(_ process: UInt64, _ port: inout some KernelPort & ~Copyable) throws(ReplayError) {
    let old = try space(of: process, &port)
    try reserve(1, &port)
    let new = try makeSpace(&port)
    processes[process] = new
    if process == running { try port.loadRoot(rootValue(of: new)) }
    try remove(old, &port)
  }

  mutating func exit(_ process: UInt64, _ port: inout some KernelPort & ~Copyable) throws(ReplayError) {
    let old = try space(of: process, &port)
    processes[process] = nil
    if process == running {
      running = nil
      try port.loadRoot(kernelRoot.address.raw)
    }
    try remove(old, &port)
  }

  /// Frees an address space that no processor uses: its pages, then its tables, the lower first.
  private mutating func remove(_ space: Int, _ port: inout some KernelPort & ~Copyable) throws(ReplayError) {
    let tables = try tables(of: space, &port)
    var entries: [(page: UInt64, path: TablePath)] = []
    try forEachEntry(in: space, 0..<AddressSpace.end, &port) { (_, _, page, path) in entries.append((page, path)) }
    let isQuiet = try port.abandon(tables)
    for (page, path) in entries {
      if !isQuiet { try port.store(0, at: path.place) }
      drop(path.entry, PageUse(space: space, page: page), level: path.level)
    }
    for table in tables.reversed() {
      if !isQuiet {
        if table.level > 1 { try removeLinks(of: table, &port) }
        try port.retire(table.page, level: table.level)
      }
      release(table.page)
    }
    if self[space: space].pcid != 0 { usedPCIDs.remove(self[space: space].pcid) }
    let shared = sharedMemory(of: self[space: space].mappings.list)
    spaces[space] = nil
    releaseUnmapped(shared)
  }

  /// Empties a table of links to tables that are gone.
  private mutating func removeLinks(
    of table: TablePage, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    for index in 0..<(table.level == 4 ? 256 : 512) {
      let place = table.page.entryAddress(index: index)
      if try port.entry(at: place) & 1 != 0 { try port.store(0, at: place) }
    }
  }

  /// Gives back what an entry held that is no longer in a table.
  mutating func drop(_ entry: KernelEntry, _ use: PageUse, level: Int) {
    if let slot = entry.slot { return swap.release(slot) }
    guard entry.hasFrame else { return }
    let size: PageSize = level == 2 ? .large : .small
    let frame = entry.paging.frame(of: size)
    // Somebody stored to the page of a file (Linux, `zap_pte_range`).
    if self[frame: frame].use == .file && entry.paging.isDirty { self[frame: frame].isDirty = true }
    for index in 0..<size.pages {
      unmapFrame(frame.advanced(by: index), PageUse(space: use.space, page: use.page + index))
    }
  }
}
