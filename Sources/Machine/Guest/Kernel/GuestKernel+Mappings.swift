internal import Paging

extension GuestKernel {
  /// The whole pages that some bytes touch; nil if they are beyond what a program may use.
  private func pages(_ address: UInt64, _ length: UInt64) -> Range<UInt64>? {
    let end = AddressSpace.end << 12
    guard length > 0, address < end, length <= end - address else { return nil }
    return address >> 12..<(address + length + 0xfff) >> 12
  }

  func checked(
    _ address: UInt64, _ length: UInt64, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> Range<UInt64> {
    guard let range = pages(address, length) else {
      throw port.error("a range of \(length) bytes at \(String(address, radix: 16)), expected it below 2^47")
    }
    return range
  }

  func runningSpace(_ port: inout some KernelPort & ~Copyable) throws(ReplayError) -> Int {
    guard let space = current else { throw port.error("an operation of a process that has exited") }
    return space
  }

  /// mmap: whatever was there goes.
  mutating func map(
    _ address: UInt64, _ words: [UInt64], _ protection: UInt16, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    let range = try checked(address, words[0], &port)
    let space = try runningSpace(&port)
    if words.count == 3 {
      guard protection & Operation.fileMapping != 0, FileNumber.named.contains(words[1]), words[2] < 1 << 47 else {
        throw port.error(
          "file \(words[1]) at \(words[2]), expected the letter f, a number below \(FileNumber.named.upperBound) "
            + "and an offset below 2^47")
      }
    }
    try unmap(range, in: space, &port)
    let (file, offset) = files.next(protection, words)
    var mapping = Mapping(pages: range, rights: MappingRights(raw: protection & 7), file: file)
    mapping.origin = range.lowerBound &- offset
    mapping.isShared = protection & Operation.sharedMapping != 0
    self[space: space].mappings.insert(mapping)
  }

  mutating func unmap(
    _ address: UInt64, _ length: UInt64, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    try unmap(checked(address, length, &port), in: runningSpace(&port), &port)
  }

  mutating func unmap(
    _ range: Range<UInt64>, in space: Int, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    if range.isEmpty { return }
    let shared = sharedMemory(of: self[space: space].mappings.pieces(in: range))
    self[space: space].mappings.remove(range)
    try zap(range, in: space, freesTables: true, &port)
    releaseUnmapped(shared)
  }

  /// madvise(MADV_DONTNEED): the pages go, the mapping stays.
  mutating func discard(
    _ address: UInt64, _ length: UInt64, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    let range = try checked(address, length, &port)
    try zap(range, in: runningSpace(&port), freesTables: false, &port)
  }

  mutating func protect(
    _ address: UInt64, _ length: UInt64, _ protection: UInt16, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    let range = try checked(address, length, &port)
    let space = try runningSpace(&port)
    let rights = MappingRights(raw: protection & 7)
    self[space: space].mappings.protect(range, rights)
    try splitEnds(of: range, in: space, &port)
    if !rights.isReadable { try splitAll(in: range, space, &port) }
    var stale = FlushRange()
    try forEachEntry(in: space, range, &port) {
      (kernel, port, page, path) throws(ReplayError) in
      guard path.entry.hasFrame else { return }
      let new = path.entry.with(rights, isWritable: rights.isWritable && kernel.mayStore(page, path, space))
      if new.raw == path.entry.raw { return }
      if path.entry.needsFlush(to: new) { stale.add(page, path.level) }
      try kernel.set(new, at: path, &port)
    }
    try flush(stale, space, &port)
  }

  /// Whether a process may store to a page without asking: to one that it is alone with, to shared memory, and to a page of
  /// a file if the kernel knows that it has been stored to (Linux, `can_change_pte_writable`).
  private func mayStore(_ page: UInt64, _ path: TablePath, _ space: Int) -> Bool {
    guard let mapping = self[space: space].mappings.mapping(of: page), mapping.isShared, mapping.file != .none else {
      return isExclusive(path)
    }
    return mapping.file.isInMemory || path.entry.paging.isDirty
  }

  /// Whether a process is alone with the frames of an entry, so that it may store to them without asking.
  private func isExclusive(_ path: TablePath) -> Bool {
    let size: PageSize = path.level == 2 ? .large : .small
    let frame = path.entry.paging.frame(of: size)
    return (0..<size.pages).allSatisfy {
      let page = self[frame: frame.advanced(by: $0)]
      return page.use == .anonymous && page.mappings == 1
    }
  }

  /// A large page cannot be there and not be accessible.
  mutating func splitAll(
    in range: Range<UInt64>, _ space: Int, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    var large: [UInt64] = []
    try forEachEntry(in: space, range, &port) { (_, _, page, path) in
      if path.level == 2 { large.append(page) }
    }
    for page in large {
      try reserve(1, &port)
      let path = try find(page, in: space, &port)
      if path.level == 2 { try split(path, PageUse(space: space, page: page), &port) }
    }
  }

  /// Takes all pages of a range out of the tables; frames are free once no processor can reach them.
  mutating func zap(
    _ range: Range<UInt64>, in space: Int, freesTables: Bool, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    try splitEnds(of: range, in: space, &port)
    var stale = FlushRange()
    var gone: [(entry: KernelEntry, use: PageUse, level: Int)] = []
    try forEachEntry(in: space, range, &port) {
      (kernel, port, page, path) throws(ReplayError) in
      gone.append((path.entry, PageUse(space: space, page: page), path.level))
      if path.entry.isPresent { stale.add(page, path.level) }
      try kernel.set(KernelEntry(0), at: path, &port)
    } after: { (kernel, port, page, path) throws(ReplayError) in
      guard freesTables, kernel[frame: path.entry.paging.frame].entries == 0 else { return }
      stale.add(max(page, range.lowerBound), 1)
      try kernel.removeTable(path, in: space, &port)
    }
    try flush(stale, space, &port)
    for (entry, use, level) in gone { drop(entry, use, level: level) }
  }

  /// Flushes page by page, or everything if that is less work (Linux, `tlb_single_page_flush_ceiling`).
  mutating func flush(
    _ stale: FlushRange, _ space: Int, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    guard let pages = stale.pages else { return }
    if space != current || pages.count > settings.flushCeiling { return try flushAll(space, &port) }
    for page in pages { try flush(PageUse(space: space, page: page), &port) }
  }
}

/// The pages between the first and the last whose translations have changed.
struct FlushRange {
  private(set) var pages: Range<UInt64>?

  mutating func add(_ page: UInt64, _ level: Int) {
    let end = page + (level == 2 ? PageSize.large.pages : 1)
    pages = min(page, pages?.lowerBound ?? page)..<max(end, pages?.upperBound ?? end)
  }
}
