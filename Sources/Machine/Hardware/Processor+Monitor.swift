internal import Paging

/// What the monitor does to the processor by being there.
extension Processor where MMU: ~Copyable {
  /// The monitor may have been entered and left: where it has an address space of its own, and the TLB has no tags, each
  /// of the two ways has loaded CR3, and dropped everything, global pages too since they are not the same in both.
  mutating func leaveMonitor() {
    guard machine.flushesAtExits else { return }
    let entries = machine.counters.exits &+ machine.counters.monitorCalls
    guard entries != machine.flushedEntries else { return }
    cpus.running.flushAll()
    machine.counters.monitorFlushes += 2 * (entries &- machine.flushedEntries)
    machine.flushedEntries = entries
  }

  /// A supervisor's fetch has put a translation in the TLB: the translator has come to that code. Later fetches from the
  /// page hit until it is flushed, and it is when the translations go.
  mutating func noteCode(_ page: VPN, _ frame: MPN, _ size: PageSize, _ access: Access) {
    guard machine.translatesCode, access.isFetch, !access.isUser else { return }
    let first = frame.raw & ~(size.pages &- 1)
    for offset in 0..<size.pages {
      for page in machine.pages(of: MPN(first + offset)) { backend.translated(page, &cpus.running, &machine) }
    }
  }
}
