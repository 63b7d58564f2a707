internal import Paging

/// What each page of each process must hold, by the trace alone: nothing here knows of page tables, frames or sharing.
///
/// A page's contents are the number of the store that was its last; 0 are zeros, and what a page of a file holds on disk
/// has a number of its own.
struct ProcessContents {
  private var processes: [UInt64: Memory] = [1: Memory()]
  private var running: UInt64 = 1
  private var files: UInt32 = 0

  private struct Memory {
    var stored: [UInt64: UInt64] = [:]
    /// Mapped ranges; a later one hides what it overlaps. File 0: anonymous.
    var mapped: [(pages: Range<UInt64>, file: UInt32)] = []

    mutating func forget(_ pages: Range<UInt64>) {
      if pages.count < stored.count {
        for page in pages { stored[page] = nil }
      } else {
        stored = stored.filter { !pages.contains($0.key) }
      }
    }
  }

  /// A process operation of the trace.
  mutating func carryOut(_ operation: Operation, _ words: [UInt64]) {
    let word = words.first ?? 0
    let pages = operation.address >> 12..<max(operation.address >> 12, (operation.address &+ word &+ 0xfff) >> 12)
    switch operation.kind {
    case .switchProcess:
      running = operation.address
      if processes[running] == nil { processes[running] = Memory() }
    case .fork: processes[word] = processes[operation.address]
    case .exec: processes[operation.address] = Memory()
    case .exit: processes[operation.address] = nil
    case .map:
      let isFile = operation.size & Operation.fileMapping != 0
      if isFile { files += 1 }
      processes[running]?.forget(pages)
      processes[running]?.mapped.removeAll { pages.clamped(to: $0.pages) == $0.pages }
      processes[running]?.mapped.append((pages, isFile ? files : 0))
    case .unmap, .discard: processes[running]?.forget(pages)
    default: break
    }
  }

  /// The contents that a load from a page must find.
  func expected(_ page: UInt64) -> UInt64 {
    guard let memory = processes[running] else { return 0 }
    if let stored = memory.stored[page] { return stored }
    guard let mapping = memory.mapped.last(where: { $0.pages.contains(page) }), mapping.file != 0 else { return 0 }
    return FilePage(file: mapping.file, index: page - mapping.pages.lowerBound).version
  }

  mutating func store(_ version: UInt64, to page: UInt64) { processes[running]?.stored[page] = version }
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
