public import Paging

/// One step of a translation, as the hardware took it; see ``Simulation/explain(_:_:)``.
public enum WalkStep: Hashable, Sendable {
  /// What the TLB level (1 or 2) has for the page, by machine page; nil: nothing that allows the access.
  case lookUp(level: Int, found: MPN?)
  /// The walker begins; a fault before may have made it begin again.
  case walk
  /// The walker read an entry.
  case reference(WalkReference)
  /// A cache answered instead of references.
  case cached(WalkCacheHit)
  /// The walk, or the access, was refused; what came of it.
  case stopped(String)
  /// The translation is known.
  case translated(MPN, size: PageSize)
  /// What the hypervisor books of a machine frame that the walk led through, or to; after all other steps.
  case frame(FrameAccount)
}

/// A machine frame in the books of a hypervisor that counts references to frames, as Xen's does for direct paging.
public struct FrameAccount: Hashable, Sendable {
  public var frame: MPN
  /// "L2 table, validated", "writable": what the frame may be used for at present.
  public var type: String
  /// References that rely on the type, and all references.
  public var typeCount: UInt32
  public var references: UInt32
}

/// A page-table entry that the walker read.
public struct WalkReference: Hashable, Sendable {
  public var dimension: WalkDimension
  /// Level of the table that the entry is in.
  public var level: Int
  /// In the nested dimension, what was looked for: the guest's table of this level, 0 the page itself. Else the level.
  public var row: Int
  public var address: MachineAddress
  public var value: UInt64
  /// A page-walk cache, tagged by the entry's address, answered instead of memory.
  public var isCached = false
}

/// An answer of one of the walker's caches.
public struct WalkCacheHit: Hashable, Sendable {
  public enum Cache: String, Sendable {
    case structures = "paging-structure cache"
    case nestedStructures = "nested paging-structure cache"
    case nestedTLB = "nested TLB"
  }
  public var cache: Cache
  /// As in ``WalkReference/row``.
  public var row: Int
  /// Level of the table at which the walk goes on; 0: there is nothing more to read.
  public var nextLevel: Int
  /// That table, or the page.
  public var frame: MPN
}

/// Takes the steps of a walk down.
struct WalkNotes {
  private(set) var steps: [WalkStep] = []
  /// What the walker is looking for: the guest's table of this level, 0 the page itself.
  private var row = 0

  mutating func append(_ step: WalkStep) { steps.append(step) }

  mutating func begin(levels: Int) {
    row = levels
    steps.append(.walk)
  }

  mutating func read(_ dimension: WalkDimension, _ level: Int, _ address: MachineAddress, _ value: UInt64) {
    if dimension == .guest { row = level }
    steps.append(
      .reference(WalkReference(dimension: dimension, level: level, row: row, address: address, value: value)))
    // What follows looks for what this entry points to.
    let entry = PageTableEntry<MachineSpace>(value)
    if dimension == .guest { row = entry.isLeaf(level: level) ? 0 : level - 1 }
  }

  /// The page-walk cache knew an entry.
  mutating func answer(_ dimension: WalkDimension, _ level: Int, _ address: MachineAddress, _ value: UInt64) {
    if dimension == .guest { row = level }
    let reference = WalkReference(
      dimension: dimension, level: level, row: row, address: address, value: value, isCached: true)
    steps.append(.reference(reference))
    if dimension == .guest { row = level - 1 }
  }

  mutating func hit(_ cache: WalkCacheHit.Cache, nextLevel: Int, _ frame: MPN) {
    if cache == .structures { row = nextLevel }
    steps.append(.cached(WalkCacheHit(cache: cache, row: row, nextLevel: nextLevel, frame: frame)))
  }
}
