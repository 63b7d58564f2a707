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
  /// Estimated cycles by what they were spent on.
  public var cycles = Cycles()
  /// Places where the guest met something that the recorded machine, or native, did not show it. Must be 0.
  public var divergences: UInt64 = 0
  /// General-protection faults: accesses to non-canonical addresses.
  public var generalProtections: UInt64 = 0
  /// TLB hits on entries that the guest had changed without flushing, which the architecture allows (with checks only).
  public var staleHits: UInt64 = 0
  /// Faults on pages that a client of the memory traces watches; a fault that several watch counts for each.
  public var traceFaultsShadow: UInt64 = 0
  public var traceFaultsROM: UInt64 = 0
  public var traceFaultsFrameBuffer: UInt64 = 0
  public var traceFaultsDevice: UInt64 = 0
  public var traceFaultsCopyOnWrite: UInt64 = 0
  /// Shadow pages that were made.
  public var shadowPagesMade: UInt64 = 0
  /// Those given up for want of room.
  public var shadowPagesEvicted: UInt64 = 0
  /// Those given up because the guest's page is no longer a table.
  public var shadowPagesRecycled: UInt64 = 0
  /// Times that a table went out of step with its shadow, and that the two were brought together again.
  public var shadowPagesUnsynced: UInt64 = 0
  public var shadowPagesResynced: UInt64 = 0
  /// Shadow entries made ahead, and of those that are gone or left at the end: which the hardware used, and which not.
  public var prefetched: UInt64 = 0
  public var prefetchedUsed: UInt64 = 0
  public var prefetchedInVain: UInt64 = 0
  /// Shadow leaves of large pages that were made, and those that a trace on a page inside has broken up.
  public var shadowLargeMade: UInt64 = 0
  public var shadowLargeBroken: UInt64 = 0
  /// Trace faults on guest tables by the level of the table, the uppermost where it is one of several.
  public var traceFaultsByLevel = LevelCounts()
  /// Shadow pages to pages of the guest's tables (memory bloat) in per cent, at the end and at most.
  public var bloat: UInt64 = 0
  public var bloatPeak: UInt64 = 0
  /// Guest entries that the hypervisor looked at to make, renew, compare or drop shadow entries without a fault on each.
  public var entriesExamined: UInt64 = 0
  /// Pages that hold tables of the guest's, at present, as far as the trace tells.
  public var guestTablePages: UInt64 = 0
  /// Hidden faults of shadow paging and of the emulated TLB by cause, which add up to all of them: a table above the leaf
  /// was missing; the leaf was; it was and the guest's A was clear; the guest's D was clear; a memory trace; a store that
  /// only CR0.WP = 0 allows, or an entry that was turned for one; a device; entries with fewer rights than the guest's have by now.
  public var causeTable: UInt64 = 0
  public var causeLeaf: UInt64 = 0
  public var causeAccessed: UInt64 = 0
  public var causeDirty: UInt64 = 0
  public var causeTrace: UInt64 = 0
  public var causeWriteProtect: UInt64 = 0
  public var causeDevice: UInt64 = 0
  public var causeUpgrade: UInt64 = 0
  /// Rows of the frame buffer that were stored to at least once.
  public var frameBufferDirtyRows: UInt64 = 0
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
  /// What the modelled guest kernel did. Its page faults: those that memory alone could settle, those that took the disk,
  /// and those for which the process got SIGSEGV; together they are ``trueFaults``.
  public var guestMinorFaults: UInt64 = 0
  public var guestMajorFaults: UInt64 = 0
  public var guestSignals: UInt64 = 0
  /// Pages that were filled with zeros for a process on demand, large ones aside.
  public var guestDemandPages: UInt64 = 0
  /// First reads that got the shared page of zeros.
  public var guestZeroPageMaps: UInt64 = 0
  /// Pages of files that were mapped because a neighbour faulted.
  public var guestFaultAroundMaps: UInt64 = 0
  /// Stores to a shared page: those that copied it, and those that found nobody else left.
  public var guestCopies: UInt64 = 0
  public var guestCopyReuses: UInt64 = 0
  /// Pages that reclaim took from processes and from the page cache.
  public var guestPagesReclaimed: UInt64 = 0
  public var guestPagesSwappedOut: UInt64 = 0
  public var guestPagesSwappedIn: UInt64 = 0
  /// Large pages that were mapped, and those that were split.
  public var guestLargePages: UInt64 = 0
  public var guestLargePageSplits: UInt64 = 0
  public var guestForks: UInt64 = 0
  /// Pages of files that had been stored to when reclaim took them, and were written to disk.
  public var guestPagesWrittenBack: UInt64 = 0
  /// Entries that were moved to another virtual address with what they map.
  public var guestPagesMoved: UInt64 = 0

  /// Look-ups that the first level did not answer, of fetches and of loads and stores: together the hits of the second
  /// level and the misses.
  public var l1FetchMisses: UInt64 = 0
  public var l1DataMisses: UInt64 = 0
  /// Machines whose TLB software fills: exceptions of the TLB's that the guest's kernel gets because no entry matches,
  /// because the one that does is not valid, and because it lets no store pass; entries of its tables that it loads for
  /// them; TLBP, TLBWR and TLBWI.
  public var tlbRefills: UInt64 = 0
  public var tlbInvalid: UInt64 = 0
  public var tlbModified: UInt64 = 0
  public var refillReferences: UInt64 = 0
  public var tlbProbes: UInt64 = 0
  public var tlbRandomWrites: UInt64 = 0
  public var tlbIndexedWrites: UInt64 = 0
  /// Refills of the processor's TLB by the hypervisor alone: all hidden faults of such a machine.
  public var hiddenRefills: UInt64 = 0

  /// Interrupts, and exceptions but page faults, that entered the hypervisor.
  public var exitInterrupt: UInt64 = 0
  /// Calls of the monitor by translated code, which are no exits.
  public var monitorCalls: UInt64 = 0
  /// Flushes of the TLB on the ways between the guest's address space and the monitor's own.
  public var monitorFlushes: UInt64 = 0
  /// Hidden faults, of the class other, on the range that the monitor guards.
  public var causeMonitor: UInt64 = 0
  public var traceFaultsTranslations: UInt64 = 0
  /// Times that a page came under the translator's watch, and that what was translated from it was invalidated.
  public var pagesTranslated: UInt64 = 0
  public var translationsInvalidated: UInt64 = 0
  /// Leaves of the emulated TLB given up for want of room.
  public var emulatedTLBEvicted: UInt64 = 0

  /// Rounds of the dirty log, the pages of all of them, and those of the round with most.
  public var dirtyLogRounds: UInt64 = 0
  public var dirtyLogPages: UInt64 = 0
  public var dirtyLogPagesPeak: UInt64 = 0
  /// Faults on pages that the dirty log watches, whoever else does.
  public var traceFaultsDirtyLog: UInt64 = 0
  /// Exits that nothing but the dirty log has caused, its harvests aside: first stores of a round to a page that is
  /// write-protected, and page-modification logs that were full.
  public var dirtyLogExits: UInt64 = 0
  /// Of these, the page-modification logs that were full.
  public var modificationLogFull: UInt64 = 0
  /// Entries that harvests have looked at.
  public var dirtyLogExamined: UInt64 = 0
  /// Cycles of all this, which are among ``cyclesVirtualization``.
  public var dirtyLogCycles: UInt64 = 0
  /// Large nested pages that were split, a table each, and tables that were collapsed into a larger page.
  public var nestedSplit: UInt64 = 0
  public var nestedCollapsed: UInt64 = 0
  /// INVEPTs of the hypervisor (under NPT: flushes of the guest's ASID), one for each virtual CPU that had to make one.
  public var invepts: UInt64 = 0
  /// INVVPIDs of the hypervisor, one for each virtual CPU that was given a VPID.
  public var invvpids: UInt64 = 0
  /// Flushes of untagged entries by exits from a guest without VPID.
  public var exitFlushes: UInt64 = 0
  /// Faults that made a read-only entry one that the supervisor may store to (CR0.WP = 0), and that made it the user's
  /// again.
  public var writeProtectFlips: UInt64 = 0
  public var writeProtectFlipsBack: UInt64 = 0
  /// Pages that copy-on-write gave a frame of their own.
  public var framesCopied: UInt64 = 0
  /// Hypercalls that asked for changes of entries, and the exits that were saved by asking for several at once.
  public var mmuUpdateCalls: UInt64 = 0
  public var exitsSaved: UInt64 = 0
  /// Frames that the balloon driver gave back, and got again, and its tries that got nothing, or not enough.
  public var balloonGiven: UInt64 = 0
  public var balloonTaken: UInt64 = 0
  public var balloonRetries: UInt64 = 0
  /// Grants of another domain that were mapped, unmapped and copied from or to.
  public var grantMaps: UInt64 = 0
  public var grantUnmaps: UInt64 = 0
  public var grantCopies: UInt64 = 0
  /// Pages that devices asked an IOMMU for, and those that it refused.
  public var dmaTranslations: UInt64 = 0
  public var dmaFaults: UInt64 = 0
  /// Translations that the IOMMU's TLB did not have, and its flushes.
  public var iotlbMisses: UInt64 = 0
  public var iotlbFlushes: UInt64 = 0
  /// Pages that the hypervisor entered into an IOMMU's table, and those that it took out.
  public var iommuMaps: UInt64 = 0
  public var iommuUnmaps: UInt64 = 0
  /// Times that a hypercall was interrupted and continued.
  public var hypercallContinuations: UInt64 = 0
  /// Loads of the kernel's or the user's base table at a change of mode, and the system calls that Xen has handed on.
  public var baseSwitches: UInt64 = 0
  public var systemCallsReflected: UInt64 = 0
  /// Tables that Xen detached for the guest to write to, its stores to them, and entries that had changed when they were
  /// attached again.
  public var tablesDetached: UInt64 = 0
  public var detachedStores: UInt64 = 0
  public var detachedUpdates: UInt64 = 0
  /// A host of several machines: hidden faults of shadow paging and of the emulated TLB for want of a machine frame.
  public var causeHost: UInt64 = 0
  /// Pages that got a frame of zeros at their first use, that came back from the host's swap area, and that went there.
  public var hostFills: UInt64 = 0
  public var hostSwapIns: UInt64 = 0
  public var hostSwapOuts: UInt64 = 0
  /// Cycles that the machine waited for the former, which are among ``cyclesVirtualization``.
  public var hostDiskCycles: UInt64 = 0
  /// Pages that came back from there for no other reason than that the guest wrote them to its own swap area.
  public var hostDoublePaged: UInt64 = 0
  /// Pages that were used while the guest's balloon had them.
  public var hostBalloonPops: UInt64 = 0
  /// Pages whose mappings the host took out to see which are used, and those that were used after.
  public var hostSampled: UInt64 = 0
  public var hostSampleFaults: UInt64 = 0
  /// Pages with a frame, now and at most; in the host's swap area; in the balloon; frames of the hypervisor's own.
  public var hostMapped: UInt64 = 0
  public var hostMappedPeak: UInt64 = 0
  public var hostSwapped: UInt64 = 0
  public var hostBallooned: UInt64 = 0
  public var hostOverhead: UInt64 = 0
  /// Pages that share a frame, at present; those that came to, and those that a store gave one of their own.
  public var hostShared: UInt64 = 0
  public var hostMerges: UInt64 = 0
  public var hostShareBreaks: UInt64 = 0
  /// Pages that devices read or wrote by themselves; those that the hypervisor copied for them, those whose frames it
  /// kept in place, and those that an IOMMU asked it for.
  public var dmaPages: UInt64 = 0
  public var dmaCopied: UInt64 = 0
  public var dmaPinned: UInt64 = 0
  public var dmaRequests: UInt64 = 0
  /// Turns that a machine waited for, since it was above its target while its host had hardly any free memory.
  public var hostWaits: UInt64 = 0
  /// Requests that frontends put into a ring for a driver domain; notifications of either end, and those that were not needed
  /// since the other end was at work.
  public var ringRequests: UInt64 = 0
  public var ringNotifications: UInt64 = 0
  public var ringNotificationsSaved: UInt64 = 0

  public init() {}

  public var accesses: UInt64 { loads + stores + fetches }
  public var hiddenFaults: UInt64 { hiddenFill + hiddenTrace + hiddenDirty + hiddenHost + hiddenOther }
  public var exits: UInt64 { exitFault + exitCR3 + exitInvlpg + exitHypercall + exitOther + exitInterrupt }
  public var cyclesTranslation: UInt64 { cycles.translation }
  public var cyclesGuest: UInt64 { cycles.guest }
  public var cyclesVirtualization: UInt64 { cycles.virtualization }
  public var cyclesTotal: UInt64 { cyclesTranslation + cyclesGuest + cyclesVirtualization }
}
