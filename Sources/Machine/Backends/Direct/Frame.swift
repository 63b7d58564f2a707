internal import Paging

/// A domain, by number: the guest of the trace is 0, `vm N` of a trace is N.
struct DomainID: Hashable, BitwiseCopyable {
  var raw: UInt16
  init(_ raw: UInt16) { self.raw = raw }

  /// The guest of the trace.
  static var guest: DomainID { DomainID(0) }
  /// Highest number of a domain (Xen, public/xen.h: DOMID_FIRST_RESERVED).
  static var limit: UInt16 { 0x7ff0 }
  /// Who calls (DOMID_SELF).
  static var oneself: DomainID { DomainID(0x7ff0) }
  /// The pseudo-domain of device memory (DOMID_IO).
  static var io: DomainID { DomainID(0x7ff1) }
  /// The pseudo-domain of Xen's own frames (DOMID_XEN).
  static var xen: DomainID { DomainID(0x7ff2) }
}

/// What Xen knows of one machine frame: whose it is, the type that it has at present, and who holds it (Xen,
/// `struct page_info`). All bytes zero: a frame that nothing has happened to.
struct Frame: BitwiseCopyable {
  enum Kind: UInt8, BitwiseCopyable {
    case none, l1, l2, l3, l4
    case writable

    init(level: Int) { self = Kind(rawValue: UInt8(level)) ?? .none }
    /// Level of the table, nil for what is no table.
    var level: Int? { (1...4).contains(rawValue) ? Int(rawValue) : nil }
  }

  /// Whose the frame is.
  struct Owner: BitwiseCopyable, Hashable {
    private var raw: UInt32
    /// As the domain was built: the guest's if it backs its RAM.
    static var built: Owner { Owner(raw: 0) }
    static var nobody: Owner { Owner(raw: 1) }
    static func domain(_ domain: DomainID) -> Owner { Owner(raw: UInt32(domain.raw) + 2) }
    /// Xen's, and the domain may map it as if it was its own: a frame of its grant table.
    static func shared(_ domain: DomainID) -> Owner { Owner(raw: UInt32(domain.raw) + 2 | 1 << 31) }
    var isShared: Bool { raw >> 31 != 0 }
    /// The domain, if one has been given the frame.
    var domain: DomainID? { raw > 1 ? DomainID(UInt16(raw & 0x7fff_ffff - 2)) : nil }
  }

  var owner = Owner.built
  /// Of a frame that is nobody's: in whose TLBs it may still be.
  var former = DomainID.guest
  /// The owner has given it back: it is free once nobody holds it (the allocated flag is clear).
  var isReleased = false
  /// Kept when the type count falls to 0, until another type is asked for.
  var kind = Kind.none
  /// The entries of a table have been checked, and hold references.
  var isValidated = false
  var isPinned = false
  /// The validation was interrupted: the first ``acceptedEntries`` hold references, and with ``holdsPartialTable`` the
  /// next one does to a table that is in the same state.
  var isPartial = false
  var holdsPartialTable = false
  var acceptedEntries: UInt16 = 0
  /// References that rely on the type: stores for a writable frame, entries above, pin and base uses for a table.
  var typeCount: UInt32 = 0
  /// All references but the domain's ownership: mappings, pin, base uses.
  var totalCount: UInt32 = 0
  /// ``MachineState/flushClock``, the owner's or the former one's, when the last type reference was dropped, or the frame was freed.
  var droppedAt: UInt64 = 0

  /// Is a page table at present.
  var isTable: Bool { kind.level != nil && typeCount > 0 }
  /// Nobody but its owner has a reference.
  var isUnused: Bool { totalCount == 0 && typeCount == 0 }
}

/// The error numbers of Xen's hypercalls (public/errno.h), returned negative.
enum XenError: Int, Error {
  case notPermitted = 1
  case noSuchDomain = 3
  case outOfMemory = 12
  case noAccess = 13
  case badAddress = 14
  case busy = 16
  case invalid = 22
  case notImplemented = 38
  /// The call was interrupted and will be continued; no guest ever sees it.
  case restart = 85
  case noSpace = 28
  case notSupported = 95

  /// As in the event log: "-22".
  var result: String { String(-rawValue) }
}
