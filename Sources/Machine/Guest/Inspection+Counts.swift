import Paging

extension Inspection {
  /// A count by privilege.
  public struct PrivilegeCounts: Hashable, Sendable {
    public internal(set) var user: UInt64 = 0
    public internal(set) var supervisor: UInt64 = 0
    public var total: UInt64 { user + supervisor }

    mutating func add(_ operation: Operation) {
      if operation.isUser { user += 1 } else { supervisor += 1 }
    }
  }

  /// Pages that the trace announces as tables; index n of an array is level n.
  public struct TableCounts: Hashable, Sendable {
    /// Before the first access.
    public internal(set) var snapshot: UInt64 = 0
    public internal(set) var snapshotEntries: UInt64 = 0
    /// Later, with their non-zero entries at that moment.
    public internal(set) var found = [UInt64](repeating: 0, count: 6)
    public internal(set) var foundEntries = [UInt64](repeating: 0, count: 6)
    public internal(set) var gone: UInt64 = 0

    mutating func add(level: Int, entries: Int, isSnapshot: Bool) {
      if isSnapshot {
        snapshot += 1
        snapshotEntries += UInt64(entries)
      } else {
        found[min(level, 5)] += 1
        foundEntries[min(level, 5)] += UInt64(entries)
      }
    }
  }

  /// What a store to a page-table entry changes; the value before it is the trace's own last one.
  public enum Change: Int, CaseIterable, Sendable {
    case none, mapping, unmapping, frame, accessedDirty, writeProtection, otherPresent, neverPresent

    /// The entries are two halves if they are narrow; the store has changed one at the most.
    init(from previous: UInt64, to value: UInt64, isNarrow: Bool) {
      if isNarrow && previous & 0xffff_ffff == value & 0xffff_ffff {
        self.init(from: previous >> 32, to: value >> 32)
      } else {
        self.init(from: isNarrow ? previous & 0xffff_ffff : previous, to: isNarrow ? value & 0xffff_ffff : value)
      }
    }

    init(from previous: UInt64, to value: UInt64) {
      let old = PageTableEntry<PhysicalSpace>(previous)
      let new = PageTableEntry<PhysicalSpace>(value)
      let accessedDirtyBits = EntryFlags.accessed.union(.dirty).rawValue
      self =
        switch (old.isPresent, new.isPresent) {
        case _ where previous == value: .none
        case (false, true): .mapping
        case (true, false): .unmapping
        case (false, false): .neverPresent
        case _ where old.frame != new.frame: .frame
        case _ where (previous ^ value) & ~accessedDirtyBits == 0: .accessedDirty
        case _ where old.isWritable && !new.isWritable: .writeProtection
        default: .otherPresent
        }
    }
  }

  /// Stores to page-table entries.
  public struct TableStoreCounts: Hashable, Sendable {
    /// By the lowest level at which the page is reachable; 0: the trace did not call it a table.
    public internal(set) var levels = [UInt64](repeating: 0, count: 6)
    /// Those to pages that are tables of more than one level.
    public internal(set) var severalLevels: UInt64 = 0
    var changes = [UInt64](repeating: 0, count: Change.allCases.count)
    /// Those that are an access too; the rest went through a mapping that the trace does not name, or belong to an
    /// access before them.
    public internal(set) var accesses: UInt64 = 0
    public internal(set) var byUser: UInt64 = 0

    public var total: UInt64 { levels.reduce(0, +) }
    public subscript(change: Change) -> UInt64 { changes[change.rawValue] }

    mutating func add(levelMask: UInt8, _ change: Change, isUser: Bool) {
      levels[levelMask == 0 ? 0 : levelMask.trailingZeroBitCount] += 1
      if levelMask.nonzeroBitCount > 1 { severalLevels += 1 }
      changes[change.rawValue] += 1
      if isUser { byUser += 1 }
    }
  }

  /// The state of one processor that decides where its accesses go.
  struct Context: Sendable {
    struct ID: Hashable {
      var machine: UInt64 = 0
      var cpu: UInt64 = 0
    }

    var id = ID()
    var registers = ControlRegisters.initial
    var hasAccessed = false
  }

  /// A page as ``Inspection`` tells pages apart: `space` is 0 for supervisor accesses, the root with bit 0 set for user's.
  struct TouchedPage: Hashable {
    var machine: UInt64
    var page: UInt64
    var space: UInt64
  }

  /// The last walks, direct-mapped by page, forgotten together at any change of tables or registers.
  struct WalkMemo: Sendable {
    private struct Line {
      var key: UInt64 = 0
      var generation: UInt64 = 0
      var level: UInt8 = 0
    }

    private var lines = [Line](repeating: Line(), count: 4096)
    private var generation: UInt64 = 1

    mutating func forget() { generation += 1 }

    /// Level of the leaf for a page and privilege, 0 for none; nil if it is not known.
    subscript(key: UInt64) -> UInt8? {
      get {
        let line = lines[Int(truncatingIfNeeded: key & 4095)]
        return line.key == key && line.generation == generation ? line.level : nil
      }
      set {
        guard let newValue else { return }
        lines[Int(truncatingIfNeeded: key & 4095)] = Line(key: key, generation: generation, level: newValue)
      }
    }
  }
}
