internal import Paging

extension GuestKernel {
  /// Sees to it that so many frames are free, and one more for reclaim itself; before anything is looked at that reclaim
  /// could change.
  mutating func reserve(_ count: UInt64, _ port: inout some KernelPort & ~Copyable) throws(ReplayError) {
    guard frames.free <= count else { return }
    let target = count + UInt64(settings.reclaimBatch)
    while frames.free < target {
      if try reclaim(&port) { continue }
      if frames.free > count { return }
      if try deflateInNeed(&port) { continue }
      throw outOfMemory(&port)
    }
  }

  /// Frees one frame: the clock's hand goes over all of them, and takes the first whose page has not been accessed since
  /// it came by the last time. Returns whether there was one.
  mutating func reclaim(_ port: inout some KernelPort & ~Copyable) throws(ReplayError) -> Bool {
    let count = UInt64(pageFrames.count)
    for _ in 0..<count * 2 + 1 {
      hand = (hand + 1) % count
      let frame = PPN(hand)
      switch self[frame: frame].use {
      case .free, .kernel, .table, .ballooned: continue
      case .anonymous: if swap.isFull { continue }
      case .file: if swap.isFull && self[frame: frame].filePage.file.isInMemory { continue }
      }
      if try hasBeenAccessed(frame, &port) { continue }
      try evict(frame, &port)
      return true
    }
    return false
  }

  /// Reads and clears A in every entry that maps a frame.
  private mutating func hasBeenAccessed(
    _ frame: PPN, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> Bool {
    var result = false
    for use in self[frame: frame].uses {
      let path = try find(use.page, in: use.space, &port)
      guard path.entry.isPresent, path.entry.paging.isAccessed else { continue }
      result = true
      try set(KernelEntry(path.entry.paging.clearing(.accessed).raw), at: path, &port)
      // Without the flush a processor that has the page cached would not set A again.
      try flush(use, &port)
    }
    return result
  }

  /// Takes a page out of memory: an anonymous one to the swap area, one of a file is still on disk.
  private mutating func evict(_ frame: PPN, _ port: inout some KernelPort & ~Copyable) throws(ReplayError) {
    let page = self[frame: frame]
    var entry = KernelEntry(0)
    if page.use == .anonymous {
      port.writesOut(frame)
      entry = KernelEntry(slot: swap.store(port.contents(of: frame), references: page.mappings))
      port.count(\.guestPagesSwappedOut)
    }
    var isDirty = false
    for use in page.uses {
      var path = try find(use.page, in: use.space, &port)
      if path.level == 2 {
        try split(path, use, &port)
        path = try find(use.page, in: use.space, &port)
      }
      let isPresent = path.entry.isPresent
      if path.entry.paging.isDirty { isDirty = true }
      try set(entry, at: path, &port)
      if isPresent { try flush(use, &port) }
      self[frame: frame].remove(use)
    }
    if page.use == .file { uncache(frame, isDirty: isDirty, &port) }
    release(frame)
    port.count(\.guestPagesReclaimed)
  }
}
