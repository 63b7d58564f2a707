internal import Paging

/// What each page of each process must hold, by the trace alone: nothing here knows of page tables, frames or sharing.
///
/// A page's contents are the number of the store that was its last; 0 are zeros, and what a page of a file holds on disk
/// has a number of its own.
struct ProcessContents {
  private var processes: [UInt64: Memory] = [1: Memory()]
  private var running: UInt64 = 1
  private var numbers = FileNumbers()
  /// What has been stored through shared mappings.
  private var files: [FilePage: UInt64] = [:]

  private struct Memory {
    /// The process's own pages.
    var stored: [UInt64: UInt64] = [:]
    var mappings = MappingList()

    mutating func forget(_ pages: Range<UInt64>) {
      if pages.count < stored.count {
        for page in pages { stored[page] = nil }
      } else {
        stored = stored.filter { !pages.contains($0.key) }
      }
    }

    mutating func unmap(_ pages: Range<UInt64>) {
      forget(pages)
      mappings.remove(pages)
    }

    mutating func move(_ old: Range<UInt64>, to new: Range<UInt64>) {
      let kept = old.lowerBound..<min(old.upperBound, old.lowerBound + UInt64(new.count))
      let distance = new.lowerBound &- old.lowerBound
      let last = mappings.pieces(in: kept.upperBound - 1..<kept.upperBound).first?.moved(by: distance)
      let pieces = mappings.pieces(in: kept).map { $0.moved(by: distance) }
      let contents = stored.filter { kept.contains($0.key) }
      unmap(old)
      unmap(new)
      for piece in pieces { mappings.insert(piece) }
      for (page, version) in contents { stored[page &+ distance] = version }
      guard var last, new.count > kept.count else { return }
      last.pages = kept.upperBound &+ distance..<new.upperBound
      mappings.insert(last)
    }
  }

  /// A process operation of the trace, which the kernel has carried out.
  mutating func carryOut(_ operation: Operation, _ words: [UInt64]) {
    let word = words.first ?? 0
    let pages = Self.pages(operation.address, word)
    switch operation.kind {
    case .switchProcess:
      running = operation.address
      if processes[running] == nil { processes[running] = Memory() }
    case .fork: processes[word] = processes[operation.address]
    case .exec: processes[operation.address] = Memory()
    case .exit: processes[operation.address] = nil
    case .map:
      let (file, offset) = numbers.next(operation.size, words)
      var mapping = Mapping(pages: pages, rights: .all, file: file, origin: pages.lowerBound &- offset)
      mapping.isShared = file != .none && operation.size & Operation.sharedMapping != 0
      processes[running]?.forget(pages)
      processes[running]?.mappings.insert(mapping)
    case .unmap: processes[running]?.unmap(pages)
    case .discard: processes[running]?.forget(pages)
    case .remap: processes[running]?.move(pages, to: Self.pages(words[1], words[2]))
    default: break
    }
  }

  private static func pages(_ address: UInt64, _ length: UInt64) -> Range<UInt64> {
    address >> 12..<max(address >> 12, (address &+ length &+ 0xfff) >> 12)
  }

  /// The contents that a load from a page must find.
  func expected(_ page: UInt64) -> UInt64 {
    guard let memory = processes[running] else { return 0 }
    if let stored = memory.stored[page] { return stored }
    guard let mapping = memory.mappings.mapping(of: page), mapping.file != .none else { return 0 }
    return files[mapping.filePage(page)] ?? mapping.filePage(page).version
  }

  mutating func store(_ version: UInt64, to page: UInt64) {
    if let mapping = processes[running]?.mappings.mapping(of: page), mapping.isShared {
      files[mapping.filePage(page)] = version
    } else {
      processes[running]?.stored[page] = version
    }
  }
}

/// What each machine frame holds, as a version number.
struct FrameContents: ~Copyable {
  private var versions = PageMap<UInt64>()
  private var latest: UInt64 = 0

  subscript(frame: MPN) -> UInt64 {
    get { versions[frame.raw] ?? 0 }
    set { versions.set(frame.raw, newValue) }
  }

  /// Contents that no page has had.
  mutating func next() -> UInt64 {
    latest += 1
    return latest
  }
}
