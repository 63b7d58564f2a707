internal import Paging

/// What was dropped from the TLBs of a CPU since it was asked last.
struct DropLog: Equatable {
  /// Pages of which entries may have gone, whatever their size, with others in the same 2 MiB.
  private(set) var pages: [VPN] = []
  /// Any entry may have gone.
  private(set) var isWhole = false
  /// Every entry has gone that the CPU could use.
  private(set) var isFlush = false

  static var whole: DropLog {
    var log = DropLog()
    log.note(nil)
    return log
  }

  var isEmpty: Bool { pages.isEmpty && !isWhole }

  /// nil: any.
  mutating func note(_ page: VPN?) {
    if let page { pages.append(page) } else { isWhole = true }
  }

  /// Whether entries of a page may have gone. `shift`: of the number that tells one large page from another, of those
  /// whose parts go together.
  func concerns(_ page: UInt64, shift: UInt64) -> Bool { isWhole || pages.contains { ($0.raw ^ page) >> shift == 0 } }

  mutating func clear() {
    pages.removeAll(keepingCapacity: true)
    (isWhole, isFlush) = (false, false)
  }

  mutating func noteFlush() { (isWhole, isFlush) = (true, true) }

  mutating func add(_ other: DropLog) {
    pages += other.pages
    isWhole = isWhole || other.isWhole
  }
}
