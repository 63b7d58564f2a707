public import Paging

/// What is simulated: the geometry of a processor's translation caches and what things cost on it.
public struct MachineDescription: Hashable, Sendable {
  public var name: String
  /// One line for people.
  public var summary: String
  /// MAXPHYADDR: bits of a physical address, 32 to 52. Address bits above it are reserved in entries.
  public var maxPhysicalAddressBits = 46
  /// CPUID says that level-3 entries may map 1 GiB pages.
  public var hasHugePages = true
  /// CR4.LA57 may be set.
  public var hasFiveLevels = false
  /// CR4.PCIDE may be set.
  public var hasPCID = true
  /// Every sensitive instruction of a guest's kernel can be made to trap, as VT-x and SVM do. Without, 17 of x86 do not
  /// (Robin & Irvine, USENIX Security 2000, section 3).
  public var allSensitiveInstructionsTrap = true
  /// The arrays that are looked up together at level 1, for fetches and for data.
  public var l1Instruction: [TLBGeometry] = []
  public var l1Data: [TLBGeometry] = []
  /// The unified second level, looked up on a miss in the first.
  public var l2: [TLBGeometry] = []
  /// Entries of the paging-structure cache for each level of entry that it holds: 2 = PDE … 5 = PML5E (SDM 3A 4.10.3).
  /// Fully associative, LRU; none for a level that is missing.
  public var pagingStructureCaches: [Int: Int] = [:]
  /// Instead of those: one cache of page-table entries of all levels, tagged by their own address; nil if there is none.
  public var pageWalkCache: PageWalkCacheGeometry?
  /// The nested TLB: arrays of translations from physical to machine pages; none if empty.
  public var nestedTLB: [TLBGeometry] = []
  /// As ``pagingStructureCaches``, for the entries of the nested table.
  public var nestedStructureCaches: [Int: Int] = [:]
  /// Caches through which the walker's references go, nearest first.
  public var walkCaches: [CacheGeometry] = []
  public var costs = Costs()
  /// Instead of page tables that the processor walks: a TLB that the kernel fills; nil on machines that have a walker.
  public var softwareTLB: SoftwareTLBGeometry?

  /// A machine without any cache: every access walks, every reference goes to memory.
  public init(name: String = "bare", summary: String = "") {
    self.name = name
    self.summary = summary
  }

  /// Names the figure that cannot be simulated, or nil if all can.
  public var problem: String? {
    if !(32...52).contains(maxPhysicalAddressBits) {
      return "maxphyaddr is \(maxPhysicalAddressBits), expected 32 to 52"
    }
    for geometry in l1Instruction + l1Data + l2 + nestedTLB {
      if !isPlausible(geometry.sets, geometry.ways, limit: 1 << 20) {
        return "a TLB array of \(geometry.sets) sets and \(geometry.ways) ways, expected 1 or more, "
          + "at most 65,536 ways and 2^20 in all"
      }
      if geometry.pageSizes.isEmpty { return "a TLB array that holds no page size" }
    }
    for array in [l1Instruction, l1Data, l2, nestedTLB] {
      let sizes = array.flatMap(\.pageSizes)
      if Set(sizes).count != sizes.count { return "two TLB arrays of one level hold the same page size" }
    }
    for caches in [pagingStructureCaches, nestedStructureCaches] {
      for (level, entries) in caches where !(2...5).contains(level) || !(1...4096).contains(entries) {
        return "a paging-structure cache of \(entries) entries for level \(level), expected 1 to 4096 for level 2 to 5"
      }
    }
    if let cache = pageWalkCache {
      if !(1...4096).contains(cache.entries) {
        return "a page-walk cache of \(cache.entries) entries, expected 1 to 4096"
      }
      if !pagingStructureCaches.isEmpty || !nestedStructureCaches.isEmpty {
        return "a page-walk cache beside paging-structure caches, expected one of the two"
      }
    }
    if let tlb = softwareTLB {
      let isPlausible =
        (2...65_536).contains(tlb.entries) && (1...2).contains(tlb.pages) && (0..<tlb.entries).contains(tlb.wired)
        && (1...12).contains(tlb.contextBits)
      if !isPlausible {
        return "a software-managed TLB of \(tlb.entries) entries of \(tlb.pages) pages, \(tlb.wired) wired, with "
          + "\(tlb.contextBits) bits of ASID, expected 2 to 65,536 entries of 1 or 2, fewer wired, and 1 to 12 bits"
      }
      if !(l1Instruction + l1Data + l2).isEmpty {
        return "TLB arrays beside a software-managed TLB, expected one of the two"
      }
    }
    for cache in walkCaches where !isPlausible(cache.sets, cache.ways, limit: 1 << 24) {
      return "a walk cache of \(cache.sets) sets and \(cache.ways) ways, expected 1 or more, "
        + "at most 65,536 ways and 2^24 in all"
    }
    return nil
  }

  private func isPlausible(_ sets: Int, _ ways: Int, limit: Int) -> Bool {
    (1...limit).contains(sets) && (1...65_536).contains(ways) && sets * ways <= limit
  }
}

/// One set-associative TLB array, exact LRU within a set; the set is the page number (in units of the page's own size)
/// modulo the number of sets.
public struct TLBGeometry: Hashable, Sendable {
  /// The page sizes that share the array.
  public var pageSizes: [PageSize]
  public var sets: Int
  public var ways: Int
  public init(_ pageSizes: [PageSize], sets: Int, ways: Int) {
    self.pageSizes = pageSizes
    self.sets = sets
    self.ways = ways
  }
}

/// A TLB that software fills.
public struct SoftwareTLBGeometry: Hashable, Sendable {
  /// Fully associative; the victim of a refill is random.
  public var entries: Int
  /// Pages of 4 KiB that one entry translates: 1, or a pair.
  public var pages: Int
  /// Entries, from 0 on, that no refill replaces.
  public var wired: Int
  /// Bits of an address-space identifier.
  public var contextBits: Int
  public init(entries: Int, pages: Int, wired: Int, contextBits: Int) {
    self.entries = entries
    self.pages = pages
    self.wired = wired
    self.contextBits = contextBits
  }
}

/// A cache of page-table entries, tagged by their own machine address: fully associative, exact LRU.
public struct PageWalkCacheGeometry: Hashable, Sendable {
  public var entries: Int
  /// Cycles of an answer.
  public var cycles: UInt64
  public init(entries: Int, cycles: UInt64) {
    self.entries = entries
    self.cycles = cycles
  }
}

/// One cache level that the page walker's references meet: 64-byte lines, exact LRU.
public struct CacheGeometry: Hashable, Sendable {
  public var sets: Int
  public var ways: Int
  /// Cycles of a reference that this level answers.
  public var cycles: UInt64
  public init(sets: Int, ways: Int, cycles: UInt64) {
    self.sets = sets
    self.ways = ways
    self.cycles = cycles
  }
}

/// What things cost, in cycles. Counts never depend on costs.
public struct Costs: Hashable, Sendable {
  /// A translation that the second-level TLB answers.
  public var l2Hit: UInt64 = 7
  /// A walk reference that no cache answers.
  public var memory: UInt64 = 200
  /// Delivery of a page fault to the guest by the processor, and its IRET.
  public var faultDelivery: UInt64 = 1000
  /// The guest's own MOV to CR3, without what it makes cold.
  public var loadCR3: UInt64 = 200
  /// The guest's own INVLPG.
  public var invlpg: UInt64 = 150
  /// World switch to the hypervisor and back, by fault, violation or intercepted instruction.
  public var exit: UInt64 = 1200
  /// The hypervisor's handling of a hidden fault: guest walk and fill.
  public var fill: UInt64 = 1000
  /// Decoding and emulating a store or another access.
  public var emulation: UInt64 = 2000
  /// Injecting a true fault.
  public var injection: UInt64 = 800
  /// Handling an intercepted register load or INVLPG.
  public var intercept: UInt64 = 500
  /// Entry into the hypervisor by hypercall and back.
  public var hypercall: UInt64 = 600
  /// Validating and writing one page-table entry.
  public var validation: UInt64 = 200
  /// A trap from a kernel that runs without privilege into the monitor, and the way back.
  public var trap: UInt64 = 1000
  /// Handing a true fault or an interrupt to such a kernel, which no hardware helps with.
  public var reflection: UInt64 = 800
  /// A call of the monitor out of translated code, with the emulation of the instruction that it stands for.
  public var callout: UInt64 = 1254
  /// The hypervisor's look at one more entry while it is at it: to make it ahead, to compare or to drop it.
  public var examine: UInt64 = 60
  /// The exception, the instructions and the return of a handler that refills a software-managed TLB, without what its
  /// loads of page-table entries cost.
  public var refill: UInt64 = 20
  public init() {}
}
