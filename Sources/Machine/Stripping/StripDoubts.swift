internal import Paging

/// What the TLB decides, in a trace that is stripped: a guest has changed a table, and uses a page before it flushes.
///
/// A machine without a TLB then walks, and a hypervisor has something to do at once; one with a TLB does that later, or
/// never. When it does, it drops the page's entries, unseen. So the page's accesses are all kept, until no machine can have
/// its old entry any more.
struct StripDoubts {
  /// Pages with entries that may be out of date.
  private var pages: Set<UInt64> = []
  /// It is not known of which pages.
  private var areOfAny = false
  /// All is kept, until anything may be dropped: the hypervisors are not in step.
  private(set) var areGeneral = false

  /// Whether accesses to a page may be left out.
  func allow(_ page: UInt64) -> Bool { !areGeneral && (pages.isEmpty || !pages.contains(page)) }

  /// An operation has used these pages. `differ`: not all machines have done the same; `isFlush`: all have lost all entries.
  mutating func note(_ operation: Operation, _ used: [UInt64], _ drops: DropLog, differ: Bool, isFlush: Bool) {
    if differ {
      areGeneral = true
      if used.isEmpty { areOfAny = true } else { pages.formUnion(used) }
    } else if isFlush {
      self = StripDoubts()
    } else {
      if drops.isWhole { areGeneral = areOfAny }
      if operation.kind == .invlpg { pages.remove(operation.address >> 12) }
    }
  }
}
