import Machine

/// The counters of runs as a table for people: one table a trace, its modes side by side.
public enum Summary {
  /// The tables of all traces, in the order of the runs.
  public static func text(_ runs: [Run]) -> String {
    var text = ""
    var rest = runs[...]
    while let first = rest.first {
      // Runs of one trace stand together; two traces of one name are told apart by a mode that comes again.
      var group: [Run] = []
      while let next = rest.first, next.trace == first.trace, !group.contains(where: { $0.mode == next.mode }) {
        group.append(rest.removeFirst())
      }
      if !text.isEmpty { text += "\n" }
      text += table(group)
    }
    return text
  }

  private static func table(_ runs: [Run]) -> String {
    var builder = Builder(runs)
    warnings(&builder)
    trace(&builder)
    translation(&builder)
    faults(&builder)
    kernel(&builder)
    exits(&builder)
    memory(&builder)
    dirtyLog(&builder)
    cycles(&builder)
    speed(&builder)
    let settings = runs[0].settings.isEmpty ? "" : ", with \(runs[0].settings)"
    return "\(runs[0].trace) on \(runs[0].machine)\(settings)\n\n" + builder.table.text()
  }

  /// What should not be there, before anything else.
  private static func warnings(_ table: inout Builder) {
    table.heading("look at these first")
    table.sum("! divergences (must be 0)") { $0.divergences }
    table.sum("! updates rejected") { $0.mmuUpdatesRejected }
    table.sum("! general-protection faults") { $0.generalProtections }
    table.sum("! faults that ended in SIGSEGV") { $0.guestSignals }
    table.sum("stale TLB hits, allowed") { $0.staleHits }
  }

  private static func trace(_ table: inout Builder) {
    table.heading("trace")
    table.sum("operations", always: true) { $0.operations }
    table.sum("accesses", always: true) { $0.accesses }
    table.sum("  loads") { $0.loads }
    table.sum("  stores") { $0.stores }
    table.sum("  fetches") { $0.fetches }
    table.sum("page-table stores") { $0.guestTableStores }
    table.sum("CR3 loads") { $0.guestCR3Loads }
    table.sum("INVLPG") { $0.guestInvlpgs }
  }

  private static func translation(_ table: inout Builder) {
    table.heading("translation")
    table.sum("translations") { $0.translations }
    table.share("  L1 TLB hits", of: { $0.translations }) { $0.tlbL1Hits }
    table.share("  L2 TLB hits", of: { $0.translations }) { $0.tlbL2Hits }
    table.share("  TLB misses", of: { $0.translations }) { $0.tlbMisses }
    table.sum("walks") { $0.walks }
    table.sum("walk references") { $0.walkReferences }
    table.sum("  to guest tables") { $0.walkReferencesGuest }
    table.sum("  to the nested table") { $0.walkReferencesNested }
    table.ratio("  a walk", of: { $0.walks }) { $0.walkReferences }
    table.ratio("  a TLB miss", of: { $0.tlbMisses }) { $0.walkReferences }
    table.sum("hits of paging-structure caches") { $0.structureCacheHits }
    table.sum("  for the nested table") { $0.nestedStructureCacheHits }
    table.sum("hits of the nested TLB") { $0.nestedTLBHits }
  }

  private static func faults(_ table: inout Builder) {
    table.heading("faults")
    table.sum("true faults") { $0.trueFaults }
    table.sum("hidden faults") { $0.hiddenFaults }
    table.sum("  fill") { $0.hiddenFill }
    table.sum("  trace") { $0.hiddenTrace }
    table.sum("    for shadow tables") { $0.traceFaultsShadow }
    for level in 1...5 { table.sum("      of level \(level)") { $0.traceFaultsByLevel[level] } }
    table.sum("    for ROM") { $0.traceFaultsROM }
    table.sum("    for the frame buffer") { $0.traceFaultsFrameBuffer }
    table.sum("    for a device") { $0.traceFaultsDevice }
    table.sum("    for translated code") { $0.traceFaultsTranslations }
    table.sum("    for copy-on-write") { $0.traceFaultsCopyOnWrite }
    table.sum("    for the dirty log") { $0.traceFaultsDirtyLog }
    table.sum("  dirty") { $0.hiddenDirty }
    table.sum("  host") { $0.hiddenHost }
    table.sum("  other") { $0.hiddenOther }
    table.ratio("hidden faults a true fault", of: { $0.trueFaults }) { $0.hiddenFaults }
  }

  /// The modelled guest kernel, of process traces.
  private static func kernel(_ table: inout Builder) {
    table.heading("guest kernel")
    table.sum("minor faults") { $0.guestMinorFaults }
    table.sum("major faults") { $0.guestMajorFaults }
    table.sum("pages zeroed on demand") { $0.guestDemandPages }
    table.sum("mappings of the zero page") { $0.guestZeroPageMaps }
    table.sum("file pages mapped around a fault") { $0.guestFaultAroundMaps }
    table.sum("copies on write") { $0.guestCopies }
    table.sum("pages taken over instead") { $0.guestCopyReuses }
    table.sum("large pages") { $0.guestLargePages }
    table.sum("  split") { $0.guestLargePageSplits }
    table.sum("forks") { $0.guestForks }
    table.sum("pages reclaimed") { $0.guestPagesReclaimed }
    table.sum("  swapped out") { $0.guestPagesSwappedOut }
    table.sum("  swapped in") { $0.guestPagesSwappedIn }
  }

  private static func exits(_ table: inout Builder) {
    table.heading("exits")
    table.sum("exits") { $0.exits }
    table.sum("  faults and violations") { $0.exitFault }
    table.sum("  CR3 loads") { $0.exitCR3 }
    table.sum("  INVLPG") { $0.exitInvlpg }
    table.sum("  hypercalls") { $0.exitHypercall }
    table.sum("  interrupts") { $0.exitInterrupt }
    table.sum("  other") { $0.exitOther }
    table.sum("calls of the monitor, no exits") { $0.monitorCalls }
    table.sum("TLB flushes on the way to the monitor") { $0.monitorFlushes }
    table.ratio("exits a million accesses", of: { $0.accesses }, scale: 1_000_000) { $0.exits }
    table.sum("hypercalls") { $0.hypercalls }
    table.sum("page-table updates asked for") { $0.mmuUpdates }
    table.ratio("  a hypercall", of: { $0.hypercalls }) { $0.mmuUpdates }
  }

  private static func memory(_ table: inout Builder) {
    table.heading("memory")
    table.sum("shadow pages at the end") { $0.shadowPages }
    table.sum("leaves that the emulated TLB had no room for") { $0.emulatedTLBEvicted }
    table.sum("pages of code translated") { $0.pagesTranslated }
    table.sum("  invalidated by a store") { $0.translationsInvalidated }
    table.sum("shadow pages, peak") { $0.shadowPagesPeak }
    table.sum("  made") { $0.shadowPagesMade }
    table.sum("  evicted") { $0.shadowPagesEvicted }
    table.sum("  recycled") { $0.shadowPagesRecycled }
    table.sum("  out of step") { $0.shadowPagesUnsynced }
    table.sum("  in per cent of guest tables, at the end") { $0.bloat }
    table.sum("  in per cent of guest tables, peak") { $0.bloatPeak }
    table.sum("large shadow leaves made") { $0.shadowLargeMade }
    table.sum("  broken up for a trace") { $0.shadowLargeBroken }
    table.sum("read-only entries turned for CR0.WP = 0") { $0.writeProtectFlips }
    table.sum("  and turned back") { $0.writeProtectFlipsBack }
    table.sum("entries examined in passing") { $0.entriesExamined }
    table.sum("shadow entries made ahead") { $0.prefetched }
    table.sum("  used") { $0.prefetchedUsed }
    table.sum("frames copied on write") { $0.framesCopied }
    table.sum("traced pages, peak") { $0.tracedPagesPeak }
    table.sum("machine frames, peak") { $0.machineFramesPeak }
  }

  /// The dirty log, and the life of the nested table.
  private static func dirtyLog(_ table: inout Builder) {
    table.heading("dirty log")
    table.sum("rounds") { $0.dirtyLogRounds }
    table.sum("pages dirtied, all rounds") { $0.dirtyLogPages }
    table.ratio("  a round", of: { $0.dirtyLogRounds }) { $0.dirtyLogPages }
    table.sum("  peak") { $0.dirtyLogPagesPeak }
    table.sum("exits for it alone") { $0.dirtyLogExits }
    table.sum("  for a full modification log") { $0.modificationLogFull }
    table.sum("entries examined by harvests") { $0.dirtyLogExamined }
    table.sum("cycles for it") { $0.dirtyLogCycles }
    table.heading("nested table")
    table.sum("large pages split") { $0.nestedSplit }
    table.sum("tables collapsed into large pages") { $0.nestedCollapsed }
    table.sum("INVEPT") { $0.invepts }
    table.sum("INVVPID") { $0.invvpids }
    table.sum("flushes by exits without VPID") { $0.exitFlushes }
  }

  private static func cycles(_ table: inout Builder) {
    table.heading("cycles (estimated)")
    table.share("translation", of: { $0.cyclesTotal }) { $0.cyclesTranslation }
    table.share("guest", of: { $0.cyclesTotal }) { $0.cyclesGuest }
    table.share("virtualization", of: { $0.cyclesTotal }) { $0.cyclesVirtualization }
    table.sum("total") { $0.cyclesTotal }
    table.ratio("  an access", of: { $0.accesses }) { $0.cyclesTotal }
    table.comparison("  against native") { $0.cyclesTotal }
  }

  private static func speed(_ table: inout Builder) {
    table.heading("this run")
    table.runs("seconds") { Decimal.fixed($0.seconds, digits: 3) }
    table.runs("operations a second") { Decimal.grouped($0.operationsPerSecond) }
  }
}
