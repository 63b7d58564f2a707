internal import Paging

/// One page of the shadow tables.
struct ShadowPage {
  /// What a shadow page stands for: its identity in the cache.
  enum Key: Hashable {
    /// A guest's table, taken as one of a level. Entries have the guest's own rights, so that the hardware combines the
    /// levels' and one shadow serves every parent, but for what a role changes.
    case table(PPN, level: Int, role: ShadowRole = .plain)
    /// The inside of a large page of the guest's, from this first page on, as a table of a level (1: 4 KiB entries). It
    /// grants everything; the rights are those of the entry above, so all mappings of the memory share it.
    case splinter(PPN, level: Int, isGlobal: Bool)

    var level: Int {
      switch self {
      case .table(_, let level, _), .splinter(_, let level, _): level
      }
    }

    var role: ShadowRole {
      switch self {
      case .table(_, _, let role): role
      case .splinter: .plain
      }
    }
  }

  var key: Key
  var frame: MPN
  /// The entries that point to it, in shadow pages of the level above.
  var parents: [MachineAddress] = []
  /// Place in the order of eviction: when it was made, or last gone through by a fill.
  var stamp: UInt64
}
