/// The design of the shadow tables.
public struct ShadowSettings: Hashable, Sendable {
  /// What a store to a shadowed table does to its shadow.
  public enum OnStore: CaseIterable, Sendable {
    /// The entry is dropped; a fault fills it when it is needed.
    case invalidate
    /// The entry is made anew at once, if that takes no change of the guest's A.
    case update
    /// A level-1 table is no longer watched until the guest flushes (KVM's unsync pages, Xen's out-of-sync ones).
    case unsync
  }

  /// What shows that a page is no longer a table.
  public struct Unshadowing: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// A store by user-mode code.
    public static var user: Unshadowing { Unshadowing(rawValue: 1) }
    /// A store of less than an entry, or across two.
    public static var misaligned: Unshadowing { Unshadowing(rawValue: 2) }
    /// A run of stores of 0 (Xen: 2).
    public static var zeros: Unshadowing { Unshadowing(rawValue: 4) }
    /// Many stores to an upper table that no walk uses (KVM: 3).
    public static var flood: Unshadowing { Unshadowing(rawValue: 8) }
    static var choices: [Unshadowing] { [[], user, misaligned, zeros, flood, [user, misaligned, zeros, flood]] }
  }

  public var onStore = OnStore.invalidate
  /// Entries made ahead around each that a fault demands.
  public var prefetch = 0
  /// Shadow pages that are kept at most; 0: no limit. Those that are in use stay even beyond it.
  public var capacity = 0
  /// The page that no fill has gone through for the longest time goes first, instead of the one made first.
  public var evictsLeastRecentlyUsed = false
  public var unshadowing: Unshadowing = []
  /// A large page of the guest's stays large where memory and traces allow, instead of coming in 4 KiB parts.
  public var keepsLarge = false
  /// A store that only CR0.WP = 0 allows turns its entry into a writable one of the supervisor's, instead of being
  /// emulated.
  public var turnsEntries = false
  public var zeroRun = 2
  public var flood = 3
}
