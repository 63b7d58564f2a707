internal import Paging

/// Says of a TLB hit whether the architecture allows it.
///
/// A translation may be used if the guest's tables held it at some time since the last operation that had to drop it
/// (SDM 3A 4.10.4). The oracle keeps its own history of the tables, of the roots and of what was invalidated, all taken
/// from the trace, and searches it with a walker of its own: it shares no code with the machine that it judges.
struct StalenessOracle {
  enum Verdict {
    /// The tables as they are allow it.
    case current
    /// Tables that have been valid since the last invalidation allow it.
    case stale
    case illegal
  }

  /// The machine keeps entries by their own address: one may be older than what led to it (see `search`).
  let hasPageWalkCache: Bool
  private var history = TableHistory()
  private var time: UInt64 = 1
  private var invalidations: [Int: InvalidationHistory] = [:]
  /// The verdict on the latest hit was that it is stale, but legal.
  private(set) var latestWasStale = false

  init(hasPageWalkCache: Bool = false) { self.hasPageWalkCache = hasPageWalkCache }

  mutating func store(_ store: TableStore) {
    time += 1
    guard store.isNarrow else { return history.store(store.value, at: store.address.raw, time: time) }
    let word = store.address.raw & ~7
    let shift = (store.address.raw & 4) << 3
    let rest = history.value(at: word) & ~(0xffff_ffff << shift)
    history.store(rest | store.value << shift, at: word, time: time)
  }

  mutating func setTable(_ page: PPN, _ words: [UInt64]) {
    time += 1
    for (index, word) in words.enumerated() {
      history.store(word, at: page.address.raw + UInt64(index) * 8, time: time)
    }
  }

  /// The guest's word as it stored it last.
  func word(at address: PhysicalAddress) -> UInt64 { history.value(at: address.raw) }

  mutating func started(_ root: PagingRoot, _ cpu: Int) {
    time += 1
    invalidations[cpu, default: InvalidationHistory()].use(root, time: time)
  }

  mutating func loadedCR3(_ root: PagingRoot, keeps: Bool, _ cpu: Int) {
    time += 1
    if !keeps { invalidations[cpu, default: InvalidationHistory()].flushed(pcid: root.pcid, time: time) }
    invalidations[cpu, default: InvalidationHistory()].use(root, time: time)
  }

  mutating func changedControls(
    _ old: ControlRegisters, _ new: ControlRegisters, _ root: PagingRoot, _ cpu: Int
  ) {
    time += 1
    if old.mode != new.mode || old.hasGlobalPages != new.hasGlobalPages || old.hasPCID && !new.hasPCID {
      invalidations[cpu, default: InvalidationHistory()].flushedAll(time: time)
    } else if !old.hasSMEP && new.hasSMEP {
      invalidations[cpu, default: InvalidationHistory()].flushed(pcid: new.pcid, time: time)
    }
    invalidations[cpu, default: InvalidationHistory()].use(root, time: time)
  }

  mutating func invalidated(_ page: VPN, _ registers: ControlRegisters, _ cpu: Int) {
    time += 1
    invalidations[cpu, default: InvalidationHistory()].invalidated(
      page, pcid: registers.pcid, dropsGlobals: true, time: time)
  }

  mutating func invalidated(_ operation: PCIDInvalidation, _ cpu: Int) {
    time += 1
    switch operation {
    case .address(let address, let pcid):
      invalidations[cpu, default: InvalidationHistory()].invalidated(
        address.page, pcid: UInt16(pcid), dropsGlobals: false, time: time)
    case .context(let pcid): invalidations[cpu, default: InvalidationHistory()].flushed(pcid: UInt16(pcid), time: time)
    case .allContexts: invalidations[cpu, default: InvalidationHistory()].flushedAll(time: time)
    case .allContextsNonGlobal: invalidations[cpu, default: InvalidationHistory()].flushedNonGlobal(time: time)
    }
  }

  /// Judges a hit that gave `page` for the virtual page of `address`.
  mutating func judge(
    _ address: VirtualAddress, _ access: Access, gave page: PPN, _ root: PagingRoot,
    _ controls: PagingControls, _ cpu: Int
  ) -> Verdict {
    latestWasStale = false
    // User code has no kernel half if kernel and user code are told apart by their tables.
    if controls.isKernelUnprivileged && access.isUser && address.raw >> 63 == 1 { return .illegal }
    var question = Question(address: address.raw, access: access, page: page, controls: controls)
    if search(question, root, since: time, { _ in self.time }) { return .current }
    guard let windows = invalidations[cpu] else { return .illegal }
    let pcid = root.pcid
    let flushTime = windows.flushTime(pcid: pcid)
    for use in windows.roots(pcid: pcid, since: flushTime) {
      question.end = use.end
      let start = hasPageWalkCache ? flushTime : max(use.time, flushTime)
      let leafStart = { (leaf: Leaf) in windows.start(leaf.size, address.page, pcid: pcid) }
      if search(question, use.root, since: start, leafStart) { return noteStale() }
    }
    for use in windows.roots(pcid: nil, since: windows.allTime) where controls.hasGlobalPages {
      question.end = use.end
      let start = hasPageWalkCache ? windows.allTime : max(use.time, windows.allTime)
      let leafStart = { (leaf: Leaf) in leaf.isGlobal ? windows.globalStart(leaf.size, address.page) : nil }
      if search(question, use.root, since: start, leafStart) { return noteStale() }
    }
    return .illegal
  }

  private mutating func noteStale() -> Verdict {
    latestWasStale = true
    return .stale
  }

  private struct Question {
    var address: UInt64
    var access: Access
    var page: PPN
    var controls: PagingControls
    /// Time at which the root left CR3: the walk was made before.
    var end = UInt64.max
  }

  private struct Leaf {
    var size: PageSize
    var isGlobal: Bool
  }

  /// The search from a root, by the mode in which it is one.
  private func search(
    _ question: Question, _ root: PagingRoot, since start: UInt64, _ leafStart: (Leaf) -> UInt64?
  ) -> Bool {
    guard root.mode.levels == question.controls.levels else { return false }
    switch root.mode {
    case .off: return question.page.raw == question.address >> 12
    case .pae where !root.pointers.isEmpty:
      let pointer = PageTableEntry<PhysicalSpace>(root.pointers[Int(question.address >> 30 & 3)])
      guard pointer.isPresent else { return false }
      return search(question, pointer.frame.address.raw, 2, .all, since: start, leafStart)
    case .pae:
      let place = root.table + (question.address >> 30 & 3) << 3
      return history.anyVersion(at: place, since: start, until: question.end) { version in
        let pointer = PageTableEntry<PhysicalSpace>(version.value)
        guard pointer.isPresent else { return false }
        let since = hasPageWalkCache ? start : max(start, version.time)
        return search(question, pointer.frame.address.raw, 2, .all, since: since, leafStart)
      }
    default: return search(question, root.table, root.mode.levels, .all, since: start, leafStart)
    }
  }

  /// Whether some composition of versions translates the address so: each level's version held at a time no earlier than
  /// the one above it was read, with a page-walk cache at any time since `start`, and the leaf at a time since `leafStart` (nil: such a leaf is not wanted).
  private func search(
    _ question: Question, _ table: UInt64, _ level: Int, _ rights: Rights, since start: UInt64,
    _ leafStart: (Leaf) -> UInt64?
  ) -> Bool {
    let isNarrow = question.controls.hasNarrowEntries
    let offset =
      isNarrow
      ? NarrowPaging.offset(VirtualAddress(question.address), level: level)
      : (question.address >> UInt64(3 + 9 * level) & 511) << 3
    let address = table | offset & ~7
    return history.anyVersion(at: address, since: start, until: question.end) { version in
      var entry = PageTableEntry<PhysicalSpace>(version.value)
      if isNarrow {
        let narrow = version.value >> ((offset & 4) << 3) & 0xffff_ffff
        entry = NarrowPaging.widened(narrow, level: level, VirtualAddress(question.address), under: question.controls)
      }
      guard entry.isPresent, entry.reservedBits(level: level, under: question.controls) == 0 else { return false }
      var rights = rights.combined(with: Rights(entry))
      // Then all entries are the user's.
      if question.controls.isKernelUnprivileged { rights.raw |= 2 }
      let since = hasPageWalkCache ? start : max(start, version.time)
      guard entry.isLeaf(level: level), let size = PageSize(level: level) else {
        return search(question, entry.frame.address.raw, level - 1, rights, since: since, leafStart)
      }
      let page = entry.frame(of: size).raw + (question.address >> 12) % size.pages
      guard page == question.page.raw, rights.permits(question.access, under: question.controls) else { return false }
      guard let leafStart = leafStart(Leaf(size: size, isGlobal: entry.isGlobal)) else { return false }
      return history.held(version, at: address, since: leafStart)
    }
  }
}

extension TableHistory {
  /// Whether a version of a word held at some time from `start` on.
  func held(_ version: Version, at address: UInt64, since start: UInt64) -> Bool {
    anyVersion(at: address, since: start) { $0 == version }
  }
}
