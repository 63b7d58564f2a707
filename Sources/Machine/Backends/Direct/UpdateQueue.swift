internal import Paging

/// Changes of entries that the port has not asked for yet, as Linux holds them back in a lazy-MMU section
/// (`arch_enter_lazy_mmu_mode`), and XenoLinux of 2003 in its queue.
struct UpdateQueue {
  /// Requests that the queue of the first XenoLinux held (2003).
  static var limit: Int { 2048 }

  /// A request, with what the port must take back if Xen refuses it.
  struct Request {
    var place: MachineAddress
    var value: UInt64
    /// Nil for the port's own changes.
    var store: Store?
    /// The top-level table whose base table for user mode this changes, as it itself has been.
    var mirrors: PPN?
  }

  /// A page-table store of the guest's.
  struct Store {
    var address: PhysicalAddress
    /// In the guest's own terms.
    var value: UInt64
    var level: Int
    var old: PageTableEntry<MachineSpace>
    var oldSplit: MPN?
    var wasWithheld: Bool
  }

  private(set) var requests: [Request] = []
  private var values: [MachineAddress: UInt64] = [:]

  var isEmpty: Bool { requests.isEmpty }

  /// What is asked for a place, nil if nothing is.
  func value(at place: MachineAddress) -> UInt64? { requests.isEmpty ? nil : values[place] }

  /// Adds a request for a place that has none yet.
  mutating func append(_ request: Request) {
    requests.append(request)
    values[request.place] = request.value
  }

  mutating func takeAll() -> [Request] {
    defer {
      requests.removeAll(keepingCapacity: true)
      values.removeAll(keepingCapacity: true)
    }
    return requests
  }
}
