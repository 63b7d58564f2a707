internal import Paging

extension GuestKernel {
  /// Handles a page fault of the running process. Returns whether the access is to be tried again; otherwise the process
  /// gets SIGSEGV.
  mutating func handle(
    _ fault: PageFault, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> Bool {
    let page = fault.address.page.raw
    guard let space = current else { throw port.error("an access by a process that has exited") }
    guard page < AddressSpace.end, let mapping = self[space: space].mappings.mapping(of: page),
      mapping.permits(fault.code.access), !fault.code.contains(.reserved)
    else { return false }
    let use = PageUse(space: space, page: page)
    // Three tables, the page, and the page of a file that it is copied from.
    try reserve(5, &port)
    let isMajor = try repair(use, mapping, isStore: fault.code.access.isStore, &port)
    port.count(isMajor ? \.guestMajorFaults : \.guestMinorFaults)
    return true
  }

  /// Gives a process the page that it may have. Returns whether that took the disk.
  private mutating func repair(
    _ use: PageUse, _ mapping: Mapping, isStore: Bool, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> Bool {
    if try mapLarge(use, mapping, isStore: isStore, &port) { return false }
    var path = try makePath(use.page, in: use.space, to: 1, &port)
    if path.level == 2 && isStore {
      if try reuseLarge(path, &port) { return false }
      try split(path, use, &port)
      path = try find(use.page, in: use.space, &port)
    }
    let entry = path.entry
    if let slot = entry.slot {
      try swapIn(slot, use, mapping, isStore: isStore, path, &port)
      return true
    }
    if entry.isEmpty {
      if mapping.file != .none { return try mapFilePage(use, mapping, isStore: isStore, path, &port) }
      try mapAnonymous(use, mapping, isStore: isStore, path, &port)
    } else if isStore && !entry.paging.isWritable && mapping.isShared {
      // Linux, `wp_page_shared`.
      let new = entry.with(mapping.rights, isWritable: true).paging.setting(.dirty)
      try set(KernelEntry(new.raw), at: path, &port)
    } else if isStore && !entry.paging.isWritable {
      try breakSharing(use, mapping, path, &port)
    }
    // Otherwise the tables allow it by now.
    return false
  }

  // MARK: Anonymous memory

  /// The first access to a page: a read gets the page of zeros, if it may.
  private mutating func mapAnonymous(
    _ use: PageUse, _ mapping: Mapping, isStore: Bool, _ path: TablePath, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    if !isStore && settings.hasZeroPage {
      port.count(\.guestZeroPageMaps)
      let entry = KernelEntry(zeroPage, mapping.rights, isWritable: false, isDirty: false)
      return try set(entry, at: path, &port)
    }
    let frame = try allocate(.anonymous, &port)
    try port.clear(frame)
    port.count(\.guestDemandPages)
    let isWritable = mapping.rights.isWritable
    try map(frame, use, KernelEntry(frame, mapping.rights, isWritable: isWritable, isDirty: isWritable), path, &port)
  }

  private mutating func map(
    _ frame: PPN, _ use: PageUse, _ entry: KernelEntry, _ path: TablePath, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    self[frame: frame].insert(use)
    try set(entry, at: path, &port)
  }

  /// The first store to a page that is shared: by processes since a fork, by all that read zeros, or with the page cache.
  private mutating func breakSharing(
    _ use: PageUse, _ mapping: Mapping, _ path: TablePath, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    let source = path.entry.paging.frame
    if self[frame: source].use == .anonymous && self[frame: source].mappings == 1 {
      port.count(\.guestCopyReuses)
      return try set(
        KernelEntry(source, mapping.rights, isWritable: true, isDirty: true), at: path, &port)
    }
    let frame = try allocate(.anonymous, &port)
    if source == zeroPage {
      try port.clear(frame)
      port.count(\.guestDemandPages)
    } else {
      try port.copy(source, to: frame)
      port.count(\.guestCopies)
    }
    // As Linux does: no processor may see both (`ptep_clear_flush`).
    try set(KernelEntry(0), at: path, &port)
    try flush(use, &port)
    unmapFrame(source, use)
    var empty = path
    empty.entry = KernelEntry(0)
    try map(frame, use, KernelEntry(frame, mapping.rights, isWritable: true, isDirty: true), empty, &port)
  }

  /// A frame has one mapping fewer; one that nobody has any more is free.
  mutating func unmapFrame(_ frame: PPN, _ use: PageUse) {
    if frame == zeroPage { return }
    self[frame: frame].remove(use)
    if self[frame: frame].mappings == 0 && self[frame: frame].use == .anonymous { release(frame) }
  }

  // MARK: Swap

  private mutating func swapIn(
    _ slot: Int, _ use: PageUse, _ mapping: Mapping, isStore: Bool, _ path: TablePath,
    _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    let frame = try allocate(.anonymous, &port)
    port.setContents(of: frame, swap.contents(of: slot))
    swap.release(slot)
    port.count(\.guestPagesSwappedIn)
    try map(frame, use, KernelEntry(frame, mapping.rights, isWritable: isStore, isDirty: isStore), path, &port)
  }

  // MARK: Flushes

  /// Drops what processors have cached of one page.
  mutating func flush(_ use: PageUse, _ port: inout some KernelPort & ~Copyable) throws(ReplayError) {
    if use.space == current {
      try port.invalidate(VirtualAddress(use.page << 12))
    } else {
      self[space: use.space].needsFlush = true
    }
  }
}

extension Mapping {
  func permits(_ access: Access) -> Bool {
    access.isStore ? rights.isWritable : access.isFetch ? rights.isExecutable : rights.isReadable
  }
}
