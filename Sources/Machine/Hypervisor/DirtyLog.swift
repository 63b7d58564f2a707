internal import Paging

/// The hypervisor's log of the pages that the guest has stored to, round by round, as for a live migration.
///
/// A page belongs to a round if in it, whatever the mapping: a store was translated to it, be it that the store then
/// faults on another page; the walker, or the hypervisor in its place, set A or D of an entry in it; or a store through
/// no mapping went there. With accessed and dirty bits of nested entries the hardware counts every read of a guest's
/// entry as a write (SDM 3C 29.3.3.2), so a page is in the round too if a walk used it as a table. What a trace tells by
/// `table` is no store, what is stored to a ROM dirties nothing, and device memory is not logged.
struct DirtyLog: ~Copyable {
  enum Phase {
    /// Not asked for, or ended.
    case off
    case waiting
    case logging
  }

  let settings: DirtyLogSettings
  private(set) var phase = Phase.off
  /// Number of the operation before which there is something to do.
  private(set) var due = UInt64.max
  /// The page-modification log of each CPU.
  var modificationLogs: [Int: ModificationLog] = [:]
  /// Pages of this round, as far as the hypervisor knows by now.
  private var pages: Set<UInt64> = []
  /// Pages whose write protection has ended in this round.
  private var released: [PPN] = []
  private var round = DirtyRound(number: 0, firstOperation: 0)

  init(_ settings: DirtyLogSettings) {
    self.settings = settings
    guard settings.method != .none else { return }
    phase = .waiting
    due = UInt64(settings.start > 0 ? settings.start : settings.interval)
  }

  @inline(__always) var isOn: Bool { phase == .logging }
  /// D bits, or the log of them, tell what is dirty.
  var usesDirtyBits: Bool { isOn && settings.method != .writeProtection }
  var usesModificationLog: Bool { isOn && settings.method == .modificationLog }

  mutating func begin(at operation: UInt64) {
    phase = .logging
    round = DirtyRound(number: 1, firstOperation: operation)
  }

  mutating func end() {
    phase = .off
    due = .max
  }

  /// The next operation before which there is something to do.
  mutating func advance() { due += UInt64(settings.interval) }

  mutating func insert(_ page: PPN) {
    if isOn { pages.insert(page.raw) }
  }

  mutating func noteReleased(_ page: PPN) { released.append(page) }

  mutating func takeReleased() -> [PPN] {
    defer { released = [] }
    return released
  }

  var logged: Set<UInt64> { pages }

  /// Ends the round before an operation; returns it with its pages.
  mutating func close(at operation: UInt64) -> DirtyRound {
    round.operations = operation - round.firstOperation
    round.pages = pages.sorted()
    defer {
      round = DirtyRound(number: round.number + 1, firstOperation: operation)
      pages.removeAll(keepingCapacity: true)
    }
    return round
  }

  /// Whether an operation has been carried out since the last harvest.
  func hasOpenRound(at operation: UInt64) -> Bool { isOn && operation > round.firstOperation }
}

/// What one round of dirty logging found.
public struct DirtyRound: Hashable, Sendable {
  /// From 1.
  public var number: UInt64
  /// Number of the first operation that may belong to it.
  public var firstOperation: UInt64
  public var operations: UInt64 = 0
  /// Numbers of the physical pages, in order.
  public var pages: [UInt64] = []
  /// Since the round before: exits for the log's sake, INVEPTs, cycles of the log.
  public var exits: UInt64 = 0
  public var invepts: UInt64 = 0
  public var cycles: UInt64 = 0

  init(number: UInt64, firstOperation: UInt64) {
    self.number = number
    self.firstOperation = firstOperation
  }
}

/// The page-modification log of one virtual CPU: a page of 512 entries and the index of the next, which counts down from
/// 511 (SDM 3C 25.6.16, 29.3.6).
struct ModificationLog {
  static var capacity: Int { 512 }

  /// The page that holds the entries.
  let frame: MPN
  /// The next entry; below 0 the log is full, and the next page that must be logged exits first.
  private(set) var index = ModificationLog.capacity - 1

  var isFull: Bool { index < 0 }

  init(frame: MPN) { self.frame = frame }

  /// Logs a page.
  mutating func append(_ page: PPN, _ memory: inout MachineMemory) {
    precondition(!isFull, "the exit comes before the 513th entry")
    memory.write(frame.entryAddress(index: index), page.address.raw)
    index -= 1
  }

  /// Empties the log; returns its pages, the first logged first.
  mutating func take(_ memory: borrowing MachineMemory) -> [PPN] {
    let pages = stride(from: Self.capacity - 1, to: index, by: -1).map {
      PhysicalAddress(memory.read(frame.entryAddress(index: $0))).page
    }
    index = Self.capacity - 1
    return pages
  }
}
