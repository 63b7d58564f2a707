public import Paging

/// The misses of fully associative TLBs of every size, from one replay.
///
/// A TLB has an array for each page size, and those for fetches apart from those for loads and stores. What one array
/// misses does not depend on the size of another, so that the misses of a TLB are the sum over its arrays, each at its
/// own size, and ``faults``.
public struct ReuseCurves: Hashable, Sendable {
  /// The misses of one array.
  public struct Curve: Hashable, Sendable {
    public let isFetch: Bool
    public let pageSize: PageSize
    /// Without any entry: look-ups that the page last used did not answer are misses at 1 entry.
    fileprivate(set) public var misses: [UInt64]

    /// Misses of an array of so many entries, 1 or more.
    public func misses(entries: Int) -> UInt64 { misses[min(max(entries, 1), misses.count) - 1] }
    /// The size from which on nothing changes.
    public var largest: Int { misses.count }
  }

  public let curves: [Curve]
  /// Misses at any size whose walk found no translation.
  public let faults: UInt64
  /// Loads, stores and fetches.
  public let accesses: UInt64
  /// Look-ups of pages: more than accesses where some cross a border.
  public let translations: UInt64
  /// Look-ups that arrays of some sizes answer with a translation that the guest has changed without a flush, while others
  /// have evicted it. With 0, the misses are those of single replays; otherwise they may differ by about as many.
  public let staleHits: UInt64

  /// Misses of a TLB all of whose arrays have so many entries.
  public func misses(entries: Int) -> UInt64 { curves.reduce(faults) { $0 + $1.misses(entries: entries) } }

  /// The size from which on no curve changes.
  public var largest: Int { curves.map(\.largest).max() ?? 1 }

  init(_ stacks: [ReuseStacks], _ counters: Counters) {
    var curves: [Curve] = []
    var found: UInt64 = 0
    for isFetch in [true, false] {
      for size in PageSize.allCases {
        let arrays = stacks.map { $0.arrays[ReuseStacks.index(isFetch: isFetch, size)] }
        let lookUps = arrays.reduce(0) { $0 + $1.lookUps }
        var hits = HitsBySize()
        for array in arrays { hits.add(array.hits) }
        found += lookUps
        curves.append(Curve(isFetch: isFetch, pageSize: size, misses: Self.misses(lookUps, hits)))
      }
    }
    self.curves = curves
    faults = counters.tlbMisses - found
    accesses = counters.accesses
    translations = counters.translations
    staleHits = stacks.flatMap(\.arrays).reduce(0) { $0 + $1.staleHits }
  }

  private static func misses(_ lookUps: UInt64, _ hits: HitsBySize) -> [UInt64] {
    var misses: [UInt64] = []
    var rest = Int64(lookUps)
    for change in hits.changes.dropFirst() {
      rest -= change
      misses.append(UInt64(rest))
    }
    return misses.isEmpty ? [lookUps] : misses
  }
}

extension Configuration {
  /// A replay that measures ``Simulation/reuse``: mode native, and instead of the machine's own translation caches those
  /// of every size.
  ///
  /// The machine's figures count as far as they decide what a walk finds: MAXPHYADDR, 1 GiB pages, PCID, five levels.
  public static func reuse(
    on machine: MachineDescription, _ settings: Settings, guest: TraceHeader.Guest
  ) -> Configuration {
    var filter = machine
    filter.l1Instruction = PageSize.allCases.map { TLBGeometry([$0], sets: 1, ways: 1) }
    filter.l1Data = filter.l1Instruction
    filter.l2 = []
    filter.pagingStructureCaches = [:]
    filter.pageWalkCache = nil
    filter.walkCaches = []
    var configuration = Configuration(mode: .native, machine: filter, guest: guest)
    configuration.settings = settings
    configuration.measuresReuse = true
    return configuration
  }
}
