internal import Paging

/// What a round of the dirty log must have found, seen from elsewhere: from the outcome of each translation and from the
/// words that are written, not from rights or D bits. With checks only.
struct StoreObserver {
  /// Machine pages that stores were translated to, and those with a guest's entry whose A or D was set.
  private(set) var frames: Set<MPN> = []
  /// Physical pages that a walk used as tables where the hardware counts that as a write, and those that a store reached
  /// through no mapping.
  private(set) var pages: Set<UInt64> = []

  mutating func stored(to frame: MPN) { frames.insert(frame) }
  mutating func used(_ page: PPN) { pages.insert(page.raw) }

  mutating func removeAll() {
    frames.removeAll(keepingCapacity: true)
    pages.removeAll(keepingCapacity: true)
  }
}

extension MachineState {
  /// The pages that the round must consist of.
  func observedPages() -> Set<UInt64> {
    guard let observer else { return [] }
    let stored = observer.frames.union(memory.written).compactMap { physmap.physical($0)?.raw }
    return observer.pages.union(stored).filter { !isDevice(PPN($0)) && !dropsStores(to: PPN($0)) }
  }

  /// Compares the round with what was observed, and begins to observe the next.
  mutating func checkRound() {
    guard observer != nil else { return }
    let (observed, logged) = (observedPages(), dirtyLog.logged)
    for page in observed.subtracting(logged).sorted() {
      diverge(expected: "the dirty log to have physical page \(String(page, radix: 16))", found: "that it has not")
    }
    for page in logged.subtracting(observed).sorted() {
      diverge(
        expected: "no page in the dirty log that was not written",
        found: "physical page \(String(page, radix: 16))")
    }
    observer?.removeAll()
    memory.forgetWritten()
  }
}
