internal import Paging

/// Where the translations of a CPU begin, by its registers.
struct PagingRoot: Equatable {
  /// Address of the top-level table; with PAE paging, of the pointers.
  var table: UInt64
  var pcid: UInt16
  var mode: PagingMode
  /// PAE paging: the four pointers, if a register load has loaded them.
  var pointers: [UInt64]
}

/// When one virtual CPU last dropped what, and the roots that it has used since.
struct InvalidationHistory {
  struct RootUse {
    /// The time from which the root was in CR3, and that from which another one was.
    var time: UInt64
    var end = UInt64.max
    var root: PagingRoot
  }

  private struct PageKey: Hashable {
    var size: PageSize
    var number: UInt64
    /// Nil: whatever the PCID, of global pages.
    var pcid: UInt16?
  }

  private var uses: [RootUse] = []
  /// Last time that everything went, globals too.
  private(set) var allTime: UInt64 = 0
  private var nonGlobalTime: UInt64 = 0
  private var pcidTimes: [UInt16: UInt64] = [:]
  private var pageTimes: [PageKey: UInt64] = [:]

  mutating func use(_ root: PagingRoot, time: UInt64) {
    if uses.last?.root == root { return }
    if !uses.isEmpty { uses[uses.count - 1].end = time }
    uses.append(RootUse(time: time, root: root))
  }

  mutating func flushedAll(time: UInt64) {
    allTime = time
    pageTimes.removeAll(keepingCapacity: true)
    uses = uses.suffix(1)
  }

  mutating func flushedNonGlobal(time: UInt64) { nonGlobalTime = time }

  mutating func flushed(pcid: UInt16, time: UInt64) { pcidTimes[pcid] = time }

  /// INVLPG, or INVPCID of one address: the page of any size that holds it, however it was fractured.
  mutating func invalidated(_ page: VPN, pcid: UInt16, dropsGlobals: Bool, time: UInt64) {
    for size in PageSize.allCases {
      let number = page.raw >> size.pageShift
      pageTimes[PageKey(size: size, number: number, pcid: pcid)] = time
      if dropsGlobals { pageTimes[PageKey(size: size, number: number, pcid: nil)] = time }
    }
  }

  /// The uses of roots, since a time, that translations of a PCID, or with nil global ones, may come from.
  func roots(pcid: UInt16?, since start: UInt64) -> [RootUse] {
    uses.filter { (pcid == nil || $0.root.pcid == pcid) && $0.end > start }
  }

  /// Last time that everything of a PCID went, global pages aside.
  func flushTime(pcid: UInt16) -> UInt64 { max(allTime, nonGlobalTime, pcidTimes[pcid] ?? 0) }

  /// Last time that a page of a size had to go in a PCID.
  func start(_ size: PageSize, _ page: VPN, pcid: UInt16) -> UInt64 {
    let key = PageKey(size: size, number: page.raw >> size.pageShift, pcid: pcid)
    return max(flushTime(pcid: pcid), pageTimes[key] ?? 0)
  }

  /// Last time that a global page of a size had to go.
  func globalStart(_ size: PageSize, _ page: VPN) -> UInt64 {
    let key = PageKey(size: size, number: page.raw >> size.pageShift, pcid: nil)
    return max(allTime, pageTimes[key] ?? 0)
  }
}
