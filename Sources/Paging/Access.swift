/// What an access does to memory.
public enum AccessKind: UInt8, CaseIterable, Sendable {
  case load = 0
  case store = 1
  case fetch = 2
}

/// Kind and privilege of one access.
public struct Access: Hashable, Sendable {
  /// Kind, plus 4 for user mode: an index into six sets of rights, spaced by powers of two.
  public let code: UInt8

  @inlinable public init(_ kind: AccessKind, user: Bool) { code = kind.rawValue | (user ? 4 : 0) }

  /// The bit that stands for this access in a set of allowed accesses; see ``Rights/allowed(under:)``.
  @inlinable public var bit: UInt64 { 1 &<< UInt64(code) }
  @inlinable public var isStore: Bool { code & 3 == 1 }
  @inlinable public var isFetch: Bool { code & 3 == 2 }
  /// Made at CPL 3 and not an implicit supervisor access.
  @inlinable public var isUser: Bool { code & 4 != 0 }
  public var kind: AccessKind { isFetch ? .fetch : isStore ? .store : .load }

  /// Every kind at both privileges.
  public static var all: [Access] {
    AccessKind.allCases.flatMap { [Access($0, user: false), Access($0, user: true)] }
  }
}
