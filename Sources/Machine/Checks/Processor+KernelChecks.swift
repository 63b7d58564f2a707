internal import Paging

extension Processor where MMU: ~Copyable {
  /// Holds what the modelled kernel believes against its tables as they are: which frames are mapped where, how full each
  /// table is, how many frames are free. Names what differs first.
  mutating func violatedKernelInvariant() -> String? {
    guard let kernel else { return nil }
    var recount = KernelRecount()
    for index in kernel.spaces.indices {
      guard let space = kernel.spaces[index] else { continue }
      var stack = [KernelRecount.Table(page: space.root, level: 4, first: 0)]
      var count = 0
      while let table = stack.popLast() {
        count += 1
        let words = (0..<(table.level == 4 ? 256 : 512)).map {
          KernelEntry(backend.guestEntry(at: table.page.entryAddress(index: $0), &machine))
        }
        if let problem = recount.add(table, words, of: index, kernel) { return problem }
        stack += table.below(words)
      }
      if count != space.tables { return "address space \(index) has \(count) tables, noted \(space.tables)" }
    }
    return recount.frameProblem(kernel) ?? recount.slotProblem(kernel)
  }
}

/// What the tables of all address spaces say, to be held against the kernel's books.
private struct KernelRecount {
  struct Table {
    var page: PPN
    var level: Int
    /// The first page that it maps.
    var first: UInt64

    func page(of index: Int) -> UInt64 { first + UInt64(index) << UInt64(9 * (level - 1)) }

    func below(_ words: [KernelEntry]) -> [Table] {
      words.indices.filter { words[$0].paging.pointsToTable(level: level) }.map {
        Table(page: words[$0].paging.frame, level: level - 1, first: page(of: $0))
      }
    }
  }

  private var uses: [PPN: Set<PageUse>] = [:]
  private var slots: [Int: UInt32] = [:]
  private var tables: Set<PPN> = []

  /// Takes the entries of a table down. Names what is wrong with the table.
  mutating func add(_ table: Table, _ words: [KernelEntry], of space: Int, _ kernel: GuestKernel) -> String? {
    let name = "table \(table.page.address.hexadecimal)"
    if !tables.insert(table.page).inserted { return "\(name) is in two places" }
    if kernel[frame: table.page].use != .table { return "\(name) is \(kernel[frame: table.page].use)" }
    let entries = words.count { !$0.isEmpty }
    if entries != kernel[frame: table.page].entries {
      return "\(name) has \(entries) entries, noted \(kernel[frame: table.page].entries)"
    }
    for (index, entry) in words.enumerated() where !entry.isEmpty && !entry.paging.pointsToTable(level: table.level) {
      if let slot = entry.slot {
        slots[slot, default: 0] += 1
        continue
      }
      let size: PageSize = table.level == 2 ? .large : .small
      let frame = entry.paging.frame(of: size)
      if frame == kernel.zeroPage { continue }
      for part in 0..<size.pages {
        uses[frame.advanced(by: part), default: []].insert(PageUse(space: space, page: table.page(of: index) + part))
      }
    }
    return nil
  }

  func frameProblem(_ kernel: GuestKernel) -> String? {
    var free = kernel.frames.limit
    for number in kernel.pageFrames.indices {
      let frame = kernel.pageFrames[number]
      let found = uses[PPN(UInt64(number))] ?? []
      if frame.use != .free { free -= 1 }
      switch frame.use {
      case .anonymous: if found.isEmpty { return "frame \(number) is lost" }
      case .file:
        if kernel.cache[frame.filePage] != PPN(UInt64(number)) { return "frame \(number) is not in the page cache" }
        if frame.filePage.file.isInMemory && !kernel.isMapped(frame.filePage.file) {
          return "frame \(number) is of shared memory that nobody has mapped"
        }
      default: if !found.isEmpty { return "frame \(number), \(frame.use), is mapped at \(found)" }
      }
      if frame.use != .free && Set(frame.uses) != found {
        return "frame \(number) is mapped at \(found), noted \(frame.uses)"
      }
    }
    return free == kernel.frames.free ? nil : "\(kernel.frames.free) frames are free, recounted \(free)"
  }

  func slotProblem(_ kernel: GuestKernel) -> String? {
    let noted = kernel.swap.references
    var slots = slots
    for slot in kernel.swappedPages.values { slots[slot, default: 0] += 1 }
    for slot in noted.indices where noted[slot] != slots[slot] ?? 0 {
      return "swap slot \(slot) is named \(slots[slot] ?? 0) times, noted \(noted[slot])"
    }
    return nil
  }
}

extension GuestKernel {
  fileprivate func isMapped(_ file: FileNumber) -> Bool {
    spaces.contains { space in space?.mappings.list.contains { $0.file == file } ?? false }
  }
}
