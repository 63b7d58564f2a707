internal import Paging

/// `grant_table_op` (public/grant_table.h), and what a domain does in its own table by plain stores.
enum GrantCall {
  case map([Map])
  case unmap([Unmap])
  case copy([Copy])
  /// The table grows to so many frames; the pages behind which the caller puts them.
  case setUp(frames: Int, pages: [PPN])
  case statusFrames(Int, pages: [PPN])
  case setVersion(Int)
  case getVersion
  case querySize
  /// The domain stores an entry, as Linux's `gnttab_grant_foreign_access_ref` does: no hypercall.
  case grantAccess(reference: Int, to: DomainID, frame: MPN, isReadOnly: Bool)
  /// The domain takes an entry back, if it is not in use, as Linux's `gnttab_end_foreign_access_ref` does: no hypercall.
  case endAccess(reference: Int)

  struct Map {
    var granter: DomainID
    var reference: Int
    /// Where the level-1 entry is: its machine address with ``GrantMapFlags/containsEntry``, else what it is to map.
    var address: UInt64
    var flags: GrantMapFlags
  }

  struct Unmap {
    var handle: Int
    /// As for the mapping; 0: the processor's stays.
    var address: UInt64 = 0
    /// The machine address of the frame; 0: the devices' stays.
    var busAddress: UInt64 = 0
  }

  struct Copy {
    var source: Operand
    var destination: Operand
    /// In bytes.
    var length: UInt64

    enum Operand {
      /// A machine address, of a frame of the caller's own.
      case own(MachineAddress)
      case grant(DomainID, reference: Int, offset: UInt64)
    }
  }

  /// No hypercall: the domain stores to its own table.
  var isStore: Bool {
    switch self {
    case .grantAccess, .endAccess: true
    default: false
    }
  }
}

/// Flags of a mapping (public/grant_table.h, GNTMAP_…).
struct GrantMapFlags: OptionSet, BitwiseCopyable {
  var rawValue: UInt8
  static var device: GrantMapFlags { GrantMapFlags(rawValue: 1) }
  static var host: GrantMapFlags { GrantMapFlags(rawValue: 2) }
  static var readOnly: GrantMapFlags { GrantMapFlags(rawValue: 4) }
  /// User mode may use the mapping.
  static var application: GrantMapFlags { GrantMapFlags(rawValue: 8) }
  static var containsEntry: GrantMapFlags { GrantMapFlags(rawValue: 16) }

  /// The flags by the names of the header.
  static let names: [String: GrantMapFlags] = [
    "device_map": .device, "host_map": .host, "readonly": .readOnly, "application_map": .application,
    "contains_pte": .containsEntry,
  ]
}

/// What came of one part of a `grant_table_op` (public/grant_table.h, GNTST_…).
enum GrantStatus: Int, Error {
  case generalError = -1
  case badDomain = -2
  case badReference = -3
  case badHandle = -4
  case noDeviceSpace = -7
  case badPage = -9
  case badCopyArgument = -10
}
