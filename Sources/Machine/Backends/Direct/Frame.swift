internal import Paging

/// What Xen knows of one machine frame: the type that it has at present, and who holds it (Xen, `struct page_info`).
struct Frame: BitwiseCopyable {
  enum Kind: UInt8, BitwiseCopyable {
    case none, l1, l2, l3, l4
    case writable

    init(level: Int) { self = Kind(rawValue: UInt8(level)) ?? .none }
    /// Level of the table, nil for what is no table.
    var level: Int? { (1...4).contains(rawValue) ? Int(rawValue) : nil }
  }

  /// Kept when the type count falls to 0, until another type is asked for.
  var kind = Kind.none
  /// The entries of a table have been checked, and hold references.
  var isValidated = false
  var isPinned = false
  /// References that rely on the type: stores for a writable frame, entries above, pin and base uses for a table.
  var typeCount: UInt32 = 0
  /// All references but the domain's ownership: mappings, pin, base uses.
  var totalCount: UInt32 = 0
  /// ``MachineState/flushClock`` when the last type reference was dropped.
  var droppedAt: UInt64 = 0

  /// Is a page table at present.
  var isTable: Bool { kind.level != nil && typeCount > 0 }
}

/// The error numbers of Xen's hypercalls (public/errno.h), returned negative.
enum XenError: Int, Error {
  case notPermitted = 1
  case busy = 16
  case invalid = 22

  /// As in the event log: "-22".
  var result: String { String(-rawValue) }
}
