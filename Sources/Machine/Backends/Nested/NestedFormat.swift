internal import Paging

/// The two layouts of nested entries (SDM 3C 29.3.2; AMD APM 2 15.25).
enum NestedFormat: Hashable, Sendable {
  /// Intel's extended page tables: rights in bits 2…0, A and D in bits 8 and 9.
  case ept
  /// AMD's nested page tables: entries of ordinary long-mode paging, walked as user accesses.
  case npt

  var accessed: UInt64 { self == .ept ? 1 << 8 : EntryFlags.accessed.rawValue }
  var dirty: UInt64 { self == .ept ? 1 << 9 : EntryFlags.dirty.rawValue }

  /// Bit 10 of an EPT entry: fetches from user-mode addresses, with mode-based execute control.
  static var executeUser: UInt64 { 1 << 10 }

  /// An entry that points to a table, with all rights but ``executeUser``.
  func tableEntry(_ table: MPN) -> UInt64 { table.address.raw | 7 }

  /// An entry that maps a page, with all rights but ``executeUser``; EPT: of memory type WB.
  func leaf(_ page: MPN, isLarge: Bool) -> UInt64 {
    page.address.raw | 7 | (self == .ept ? 6 << 3 : 0) | (isLarge ? EntryFlags.pageSize.rawValue : 0)
  }

  /// The entry with other rights. An NPT entry without R has US clear, since it is walked as a user's.
  func setting(_ rights: NestedRights, in entry: UInt64) -> UInt64 {
    switch self {
    case .ept:
      let user = rights.contains(.executeUser) ? Self.executeUser : 0
      return entry & ~(7 | Self.executeUser) | UInt64(rights.rawValue & 7) | user
    case .npt:
      let flags: EntryFlags = [
        .present, rights.contains(.write) ? .writable : [], rights.contains(.read) ? .user : [],
        rights.contains(.execute) ? [] : .noExecute,
      ]
      return entry & ~(EntryFlags.noExecute.rawValue | 7) | flags.rawValue
    }
  }
}

/// What nested entries grant, in the order of an EPT entry's bits 2…0, and then its bit 10. Without mode-based execute
/// control the two rights to execute are one.
struct NestedRights: OptionSet, Hashable {
  let rawValue: UInt8
  static var read: NestedRights { NestedRights(rawValue: 1) }
  static var write: NestedRights { NestedRights(rawValue: 2) }
  static var execute: NestedRights { NestedRights(rawValue: 4) }
  static var executeUser: NestedRights { NestedRights(rawValue: 8) }
  static var all: NestedRights { NestedRights(rawValue: 15) }

  /// What may be granted to a page that is watched.
  init(_ protection: PageProtection) {
    switch protection {
    case .none: self = .all
    case .readOnly: self = [.read, .execute, .executeUser]
    case .notPresent: self = []
    }
  }

  /// What an access to the page that the guest's tables name needs. What counts for a fetch is not the processor's mode but
  /// the address's: user-mode if all of the guest's entries are the user's (SDM 3C 29.3.2).
  init(_ access: Access, isUserPage: Bool) {
    self = access.isStore ? .write : !access.isFetch ? .read : isUserPage ? .executeUser : .execute
  }
  init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The accesses to a page of the guest's, the user's or not, that they refuse, as a set of ``Access/bit``s.
  func refused(isUserPage: Bool) -> UInt64 {
    let fetch = contains(isUserPage ? .executeUser : .execute) ? UInt64(0) : 4
    let lacking = UInt64(~rawValue & 3) | fetch
    return lacking | lacking << 4
  }
}

/// What is asked of the nested dimension.
struct NestedAccess {
  var needed: NestedRights
  /// The access goes to the page that the guest's tables name; otherwise to an entry of those tables.
  var isFinal: Bool
  /// It comes of a linear address; loads of PAE pointers do not.
  var hasLinearAddress = true
  /// The guest's rights of the page, for the final access.
  var guest = Rights.all
}

/// Why a nested translation failed, as the hypervisor is told.
struct NestedFault {
  enum Kind {
    /// EPT: a present entry that no processor accepts (exit reason 49, SDM 3C 29.3.3.1). It has no qualification.
    case misconfiguration
    /// EPT: a missing page or right (exit reason 48); `code` is the exit qualification (SDM 3C 28.2.1, table 28-7).
    case violation
    /// NPT: `code` is EXITINFO1 (AMD APM 2 15.25.6).
    case nestedPageFault
    /// The page-modification log had no room for an entry (exit reason 62, SDM 3C 29.3.6).
    case logFull
  }
  var kind: Kind
  var code: UInt64
  /// The physical address that was translated.
  var place: PhysicalAddress
  /// An entry was absent, so that nothing is known of rights.
  var isAbsent: Bool
  var isFinal: Bool
  /// What the access needed.
  var needed: NestedRights

  /// For the event log.
  var description: String {
    switch kind {
    case .misconfiguration: "ept-misconfiguration"
    case .violation: "ept-violation " + String(code, radix: 16)
    case .nestedPageFault: "npf " + String(code, radix: 16)
    case .logFull: "pml-full"
    }
  }
}
