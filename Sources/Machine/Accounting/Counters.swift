/// What a run counted. Plain sums; a difference of two is a region of interest.
public struct Counters: Hashable, Sendable {
  /// Operations of the trace that were carried out.
  public var operations: UInt64 = 0
  public var loads: UInt64 = 0
  public var stores: UInt64 = 0
  public var fetches: UInt64 = 0
  /// TLB look-ups: one an access and page, one a recorded fault.
  public var translations: UInt64 = 0
  public var tlbL1Hits: UInt64 = 0
  public var tlbL2Hits: UInt64 = 0
  public var tlbMisses: UInt64 = 0
  /// Hardware walks, those repeated after a fault included.
  public var walks: UInt64 = 0
  /// Page-table entries that the hardware walker read.
  public var walkReferences: UInt64 = 0
  /// Those of the guest's own tables (native, nested and direct paging).
  public var walkReferencesGuest: UInt64 = 0
  /// Those of the nested table.
  public var walkReferencesNested: UInt64 = 0
  /// Page faults delivered to the guest.
  public var trueFaults: UInt64 = 0
  public var hiddenFill: UInt64 = 0
  public var hiddenTrace: UInt64 = 0
  public var hiddenDirty: UInt64 = 0
  public var hiddenHost: UInt64 = 0
  public var hiddenOther: UInt64 = 0
  public var exitFault: UInt64 = 0
  public var exitCR3: UInt64 = 0
  public var exitInvlpg: UInt64 = 0
  public var exitHypercall: UInt64 = 0
  public var exitOther: UInt64 = 0
  public var hypercalls: UInt64 = 0
  /// Page-table entries that hypercalls asked to change.
  public var mmuUpdates: UInt64 = 0
  public var mmuUpdatesRejected: UInt64 = 0
  /// Page-table stores of the trace.
  public var guestTableStores: UInt64 = 0
  public var guestCR3Loads: UInt64 = 0
  public var guestInvlpgs: UInt64 = 0
  /// Shadow table pages in use, at the end and at most.
  public var shadowPages: UInt64 = 0
  public var shadowPagesPeak: UInt64 = 0
  public var tracedPagesPeak: UInt64 = 0
  /// Machine frames in use at most: the guest's memory and the hypervisor's tables.
  public var machineFramesPeak: UInt64 = 0
  public var cyclesTranslation: UInt64 = 0
  public var cyclesGuest: UInt64 = 0
  public var cyclesVirtualization: UInt64 = 0
  /// Places where the guest met something that the recorded machine, or native, did not show it. Must be 0.
  public var divergences: UInt64 = 0
  /// General-protection faults: accesses to non-canonical addresses.
  public var generalProtections: UInt64 = 0
  /// TLB hits on entries that the guest had changed without flushing, which the architecture allows (with checks only).
  public var staleHits: UInt64 = 0
  /// References by level of the table, 1 to 5: to the tables that the virtual address goes through (the guest's, under
  /// shadow paging the hypervisor's), and to the nested table. Together they are ``walkReferences``.
  public var referencesByLevel = LevelCounts()
  public var nestedReferencesByLevel = LevelCounts()
  /// Walks that a paging-structure cache let begin below the top.
  public var structureCacheHits: UInt64 = 0
  /// The same of walks of the nested table.
  public var nestedStructureCacheHits: UInt64 = 0
  /// Translations of physical pages that the nested TLB spared.
  public var nestedTLBHits: UInt64 = 0

  public init() {}

  public var accesses: UInt64 { loads + stores + fetches }
  public var hiddenFaults: UInt64 { hiddenFill + hiddenTrace + hiddenDirty + hiddenHost + hiddenOther }
  public var exits: UInt64 { exitFault + exitCR3 + exitInvlpg + exitHypercall + exitOther }
  public var cyclesTotal: UInt64 { cyclesTranslation + cyclesGuest + cyclesVirtualization }
}
