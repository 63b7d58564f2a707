/// The rights of a translation: RW and US ANDed, NX ORed over the entries of a walk (SDM 3A 4.6.1).
public struct Rights: Hashable, Sendable {
  /// Bit 0 RW, bit 1 US, bit 2 NX.
  public var raw: UInt8
  @inlinable public init(raw: UInt8) { self.raw = raw }
  @inlinable public init(writable: Bool, user: Bool, noExecute: Bool) {
    raw = (writable ? 1 : 0) | (user ? 2 : 0) | (noExecute ? 4 : 0)
  }
  /// The rights that one entry grants on its own.
  @inlinable public init<Target>(_ entry: PageTableEntry<Target>) {
    raw = UInt8(truncatingIfNeeded: entry.raw >> 1 & 3 | entry.raw >> 61 & 4)
  }

  /// The rights that a walk starts with, before its first entry.
  @inlinable public static var all: Rights { Rights(raw: 3) }

  @inlinable public var isWritable: Bool { raw & 1 != 0 }
  /// All entries have US set: a user page.
  @inlinable public var isUser: Bool { raw & 2 != 0 }
  @inlinable public var isNoExecute: Bool { raw & 4 != 0 }

  /// These rights and then another level's: RW and US must be in both, NX in either.
  @inlinable public func combined(with other: Rights) -> Rights {
    Rights(raw: raw & other.raw & 3 | (raw | other.raw) & 4)
  }

  /// The accesses that these rights allow, as a set of ``Access/bit``s (SDM 3A 4.6.1).
  ///
  /// A user access needs a user page, a store RW, a fetch no NX. In supervisor mode a store passes without RW if
  /// CR0.WP is clear, SMEP forbids fetches from user pages, and SMAP other accesses to them while EFLAGS.AC is clear.
  /// What a kernel does at CPL 3 are user accesses.
  @inlinable public func allowed(under controls: PagingControls) -> UInt64 {
    let load: UInt64 = 1
    let store: UInt64 = 2
    let fetch: UInt64 = 4
    var supervisor = load
    var user: UInt64 = 0
    if isWritable || !controls.isWriteProtected { supervisor |= store }
    if !isNoExecute { supervisor |= fetch }
    if isUser {
      user = load | (isWritable ? store : 0) | (isNoExecute ? 0 : fetch)
      if controls.hasSMAP { supervisor &= ~(load | store) }
      if controls.hasSMEP { supervisor &= ~fetch }
    }
    if controls.isKernelUnprivileged { supervisor = user }
    return supervisor | user << 4
  }

  @inlinable public func permits(_ access: Access, under controls: PagingControls) -> Bool {
    allowed(under: controls) & access.bit != 0
  }
}
