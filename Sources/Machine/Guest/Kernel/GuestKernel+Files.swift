internal import Paging

/// Pages of files, and of shared memory, which is a file that no disk has.
extension GuestKernel {
  /// Returns whether the page had to be read from disk.
  mutating func mapFilePage(
    _ use: PageUse, _ mapping: Mapping, isStore: Bool, _ path: TablePath, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> Bool {
    let isMajor = isOnDiskAlone(mapping.filePage(use.page))
    let source = try cached(mapping.filePage(use.page), &port)
    if isStore && !mapping.isShared {
      let frame = try allocate(.anonymous, &port)
      try port.copy(source, to: frame)
      port.count(\.guestCopies)
      self[frame: frame].insert(use)
      try set(KernelEntry(frame, mapping.rights, isWritable: true, isDirty: true), at: path, &port)
      return isMajor
    }
    try mapCached(source, use, mapping, isStore: isStore, path, &port)
    if !isStore { try mapAround(use, mapping, &port) }
    return isMajor
  }

  /// Maps a page of the page cache. A page that may be stored to from the start is one of shared memory; of a file's the
  /// first store is seen, so that it will be written back (Linux, `vma_wants_writenotify`).
  private mutating func mapCached(
    _ frame: PPN, _ use: PageUse, _ mapping: Mapping, isStore: Bool, _ path: TablePath,
    _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    let isWritable = mapping.isShared && mapping.rights.isWritable && (isStore || mapping.file.isInMemory)
    self[frame: frame].insert(use)
    try set(KernelEntry(frame, mapping.rights, isWritable: isWritable, isDirty: isStore), at: path, &port)
  }

  /// A page of the cache had to go, so that its contents are on disk alone.
  private func isOnDiskAlone(_ page: FilePage) -> Bool { droppedPages.contains(page) || swappedPages[page] != nil }

  /// The frame of a page of a file, read from disk if need be.
  private mutating func cached(
    _ page: FilePage, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> PPN {
    if let frame = cache[page] { return frame }
    let frame = try allocate(.file, &port)
    self[frame: frame].filePage = page
    cache[page] = frame
    droppedPages.remove(page)
    if let slot = swappedPages.removeValue(forKey: page) {
      port.setContents(of: frame, swap.contents(of: slot))
      swap.release(slot)
      port.count(\.guestPagesSwappedIn)
    } else if page.file.isInMemory {
      try port.clear(frame)
      port.count(\.guestDemandPages)
    } else {
      port.setContents(of: frame, writtenPages[page] ?? page.version)
    }
    return frame
  }

  /// Maps the neighbours of a page of a file that need no disk, in an aligned group of pages of one table (Linux,
  /// `do_fault_around`), as long as that takes no reclaim. Shared memory has those pages alone that somebody has touched.
  private mutating func mapAround(
    _ use: PageUse, _ mapping: Mapping, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    let size = UInt64(settings.faultAround)
    let first = use.page / size * size
    for page in (first..<first + size).clamped(to: mapping.pages) where page != use.page {
      let filePage = mapping.filePage(page)
      if cache[filePage] == nil {
        guard !mapping.file.isInMemory, !isOnDiskAlone(filePage), frames.free > 5 else { continue }
      }
      let path = try find(page, in: use.space, &port)
      guard path.level == 1, path.entry.isEmpty else { continue }
      let frame = try cached(filePage, &port)
      port.count(\.guestFaultAroundMaps)
      try mapCached(frame, PageUse(space: use.space, page: page), mapping, isStore: false, path, &port)
    }
  }

  // MARK: Taking pages of files away

  /// Takes a page of a file out of the cache: what was stored to it goes to disk first, shared memory to the swap area.
  mutating func uncache(_ frame: PPN, isDirty: Bool, _ port: inout some KernelPort & ~Copyable) {
    let page = self[frame: frame].filePage
    cache[page] = nil
    if page.file.isInMemory {
      swappedPages[page] = swap.store(port.contents(of: frame), references: 1)
      return port.count(\.guestPagesSwappedOut)
    }
    droppedPages.insert(page)
    guard isDirty || self[frame: frame].isDirty else { return }
    writtenPages[page] = port.contents(of: frame)
    port.count(\.guestPagesWrittenBack)
  }

  /// The shared memory that some mappings are of.
  func sharedMemory(of mappings: [Mapping]) -> Set<FileNumber> {
    Set(mappings.lazy.map(\.file).filter(\.isInMemory))
  }

  /// Shared memory that nobody has mapped any more is gone.
  mutating func releaseUnmapped(_ files: Set<FileNumber>) {
    if files.isEmpty { return }
    let mapped = spaces.reduce(into: Set<FileNumber>()) { $0.formUnion(sharedMemory(of: $1?.mappings.list ?? [])) }
    let gone = files.subtracting(mapped)
    for (page, frame) in cache where gone.contains(page.file) {
      cache[page] = nil
      release(frame)
    }
    for (page, slot) in swappedPages where gone.contains(page.file) {
      swappedPages[page] = nil
      swap.release(slot)
    }
  }
}
