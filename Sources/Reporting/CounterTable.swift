public import Machine

/// The counters of runs as CSV: one row a run. Columns are only ever added, at the end.
public enum CounterTable {
  /// One counter with its name in reports.
  public struct Column: Sendable {
    public let name: String
    /// A level or a peak rather than a sum: no difference can be taken of it.
    public let isLevel: Bool
    public let value: @Sendable (Counters) -> UInt64

    init(_ name: String, isLevel: Bool = false, _ value: @escaping @Sendable (Counters) -> UInt64) {
      self.name = name
      self.isLevel = isLevel
      self.value = value
    }
  }

  /// The columns between `machine` and `seconds`.
  static let early: [Column] = [
    Column("operations") { $0.operations },
    Column("accesses") { $0.accesses },
    Column("loads") { $0.loads },
    Column("stores") { $0.stores },
    Column("fetches") { $0.fetches },
    Column("translations") { $0.translations },
    Column("tlb_l1_hits") { $0.tlbL1Hits },
    Column("tlb_l2_hits") { $0.tlbL2Hits },
    Column("tlb_misses") { $0.tlbMisses },
    Column("walks") { $0.walks },
    Column("walk_refs") { $0.walkReferences },
    Column("walk_refs_guest") { $0.walkReferencesGuest },
    Column("walk_refs_nested") { $0.walkReferencesNested },
    Column("true_faults") { $0.trueFaults },
    Column("hidden_faults") { $0.hiddenFaults },
    Column("hidden_fill") { $0.hiddenFill },
    Column("hidden_trace") { $0.hiddenTrace },
    Column("hidden_dirty") { $0.hiddenDirty },
    Column("hidden_host") { $0.hiddenHost },
    Column("hidden_other") { $0.hiddenOther },
    Column("exits") { $0.exits },
    Column("exit_fault") { $0.exitFault },
    Column("exit_cr3") { $0.exitCR3 },
    Column("exit_invlpg") { $0.exitInvlpg },
    Column("exit_hypercall") { $0.exitHypercall },
    Column("exit_other") { $0.exitOther },
    Column("hypercalls") { $0.hypercalls },
    Column("mmu_updates") { $0.mmuUpdates },
    Column("mmu_updates_rejected") { $0.mmuUpdatesRejected },
    Column("guest_pte_writes") { $0.guestTableStores },
    Column("guest_cr3_loads") { $0.guestCR3Loads },
    Column("guest_invlpgs") { $0.guestInvlpgs },
    Column("shadow_pages", isLevel: true) { $0.shadowPages },
    Column("shadow_pages_peak", isLevel: true) { $0.shadowPagesPeak },
    Column("traced_pages_peak", isLevel: true) { $0.tracedPagesPeak },
    Column("machine_frames_peak", isLevel: true) { $0.machineFramesPeak },
    Column("cycles_translation") { $0.cyclesTranslation },
    Column("cycles_guest") { $0.cyclesGuest },
    Column("cycles_virtualization") { $0.cyclesVirtualization },
    Column("cycles_total") { $0.cyclesTotal },
    Column("divergences") { $0.divergences },
  ]

  /// The columns that came later: behind `operations_per_second`.
  static let late: [Column] = [
    Column("general_protections") { $0.generalProtections },
    Column("stale_hits") { $0.staleHits },
  ]

  /// The columns that came later still: behind `settings`.
  static let latest: [Column] =
    shadowing + walks + monitor + designs + kernel + cycles + dirtyLog + moves + softwareTLB + entries + direct

  private static let shadowing: [Column] = [
    Column("trace_faults_shadow") { $0.traceFaultsShadow },
    Column("trace_faults_rom") { $0.traceFaultsROM },
    Column("trace_faults_frame_buffer") { $0.traceFaultsFrameBuffer },
    Column("trace_faults_device") { $0.traceFaultsDevice },
    Column("trace_faults_cow") { $0.traceFaultsCopyOnWrite },
    Column("frame_buffer_dirty_rows") { $0.frameBufferDirtyRows },
    Column("shadow_pages_made") { $0.shadowPagesMade },
    Column("shadow_pages_evicted") { $0.shadowPagesEvicted },
    Column("shadow_pages_recycled") { $0.shadowPagesRecycled },
    Column("shadow_pages_unsynced") { $0.shadowPagesUnsynced },
    Column("shadow_pages_resynced") { $0.shadowPagesResynced },
    Column("prefetched") { $0.prefetched },
    Column("prefetched_used") { $0.prefetchedUsed },
    Column("prefetched_in_vain") { $0.prefetchedInVain },
    Column("guest_table_pages", isLevel: true) { $0.guestTablePages },
    Column("cause_table") { $0.causeTable },
    Column("cause_leaf") { $0.causeLeaf },
    Column("cause_accessed") { $0.causeAccessed },
    Column("cause_dirty") { $0.causeDirty },
    Column("cause_trace") { $0.causeTrace },
    Column("cause_wp") { $0.causeWriteProtect },
    Column("cause_device") { $0.causeDevice },
    Column("cause_upgrade") { $0.causeUpgrade },
  ]

  /// The walker's references by dimension and level, and what the caches spared it.
  private static let walks: [Column] =
    (1...5).map { level in Column("walk_refs_l\(level)") { $0.referencesByLevel[level] } }
    + (1...5).map { level in Column("walk_refs_nested_l\(level)") { $0.nestedReferencesByLevel[level] } }
    + [
      Column("psc_hits") { $0.structureCacheHits },
      Column("nested_psc_hits") { $0.nestedStructureCacheHits },
      Column("nested_tlb_hits") { $0.nestedTLBHits },
    ]

  /// How the monitor is entered, where it hides, and its translator.
  private static let monitor: [Column] = [
    Column("exit_interrupt") { $0.exitInterrupt },
    Column("monitor_calls") { $0.monitorCalls },
    Column("monitor_flushes") { $0.monitorFlushes },
    Column("cause_monitor") { $0.causeMonitor },
    Column("trace_faults_translations") { $0.traceFaultsTranslations },
    Column("pages_translated") { $0.pagesTranslated },
    Column("translations_invalidated") { $0.translationsInvalidated },
    Column("emulated_tlb_evicted") { $0.emulatedTLBEvicted },
  ]

  private static let designs: [Column] =
    (1...5).map { level in Column("trace_faults_l\(level)") { $0.traceFaultsByLevel[level] } }
    + [
      Column("bloat_percent", isLevel: true) { $0.bloat },
      Column("bloat_percent_peak", isLevel: true) { $0.bloatPeak },
      Column("shadow_large_made") { $0.shadowLargeMade },
      Column("shadow_large_broken") { $0.shadowLargeBroken },
      Column("entries_examined") { $0.entriesExamined },
    ]

  /// What the modelled guest kernel did.
  private static let kernel: [Column] = [
    Column("guest_minor_faults") { $0.guestMinorFaults },
    Column("guest_major_faults") { $0.guestMajorFaults },
    Column("guest_signals") { $0.guestSignals },
    Column("guest_demand_pages") { $0.guestDemandPages },
    Column("guest_zero_maps") { $0.guestZeroPageMaps },
    Column("guest_fault_around") { $0.guestFaultAroundMaps },
    Column("guest_copies") { $0.guestCopies },
    Column("guest_copy_reuses") { $0.guestCopyReuses },
    Column("guest_reclaimed") { $0.guestPagesReclaimed },
    Column("guest_swap_outs") { $0.guestPagesSwappedOut },
    Column("guest_swap_ins") { $0.guestPagesSwappedIn },
    Column("guest_large_pages") { $0.guestLargePages },
    Column("guest_large_splits") { $0.guestLargePageSplits },
    Column("guest_forks") { $0.guestForks },
  ]

  /// What else it did: shared files written back, pages moved.
  private static let moves: [Column] = [
    Column("guest_write_backs") { $0.guestPagesWrittenBack },
    Column("guest_moved_pages") { $0.guestPagesMoved },
  ]

  /// Misses of the first level, and machines whose TLB software fills.
  private static let softwareTLB: [Column] = [
    Column("itlb_l1_misses") { $0.l1FetchMisses },
    Column("dtlb_l1_misses") { $0.l1DataMisses },
    Column("tlb_refills") { $0.tlbRefills },
    Column("tlb_invalid") { $0.tlbInvalid },
    Column("tlb_modified") { $0.tlbModified },
    Column("refill_refs") { $0.refillReferences },
    Column("tlb_probes") { $0.tlbProbes },
    Column("tlb_random_writes") { $0.tlbRandomWrites },
    Column("tlb_indexed_writes") { $0.tlbIndexedWrites },
    Column("hidden_refills") { $0.hiddenRefills },
  ]

  /// What the cycles were spent on; the parts and the total stand among the early columns.
  private static let cycles: [Column] = Cycles.items.map { item in
    Column("cycles_" + item.name) { item.value($0.cycles) }
  }

  /// The dirty log, and what the hypervisor does to the nested table.
  private static let dirtyLog: [Column] = [
    Column("dirty_log_rounds") { $0.dirtyLogRounds },
    Column("dirty_log_pages") { $0.dirtyLogPages },
    Column("dirty_log_pages_peak", isLevel: true) { $0.dirtyLogPagesPeak },
    Column("trace_faults_dirty_log") { $0.traceFaultsDirtyLog },
    Column("dirty_log_exits") { $0.dirtyLogExits },
    Column("dirty_log_full") { $0.modificationLogFull },
    Column("dirty_log_examined") { $0.dirtyLogExamined },
    Column("dirty_log_cycles") { $0.dirtyLogCycles },
    Column("nested_split") { $0.nestedSplit },
    Column("nested_collapsed") { $0.nestedCollapsed },
    Column("invepts") { $0.invepts },
    Column("invvpids") { $0.invvpids },
    Column("exit_flushes") { $0.exitFlushes },
  ]

  /// What became of entries for CR0.WP = 0, and of frames for copy-on-write.
  private static let entries: [Column] = [
    Column("wp_flips") { $0.writeProtectFlips },
    Column("wp_flips_back") { $0.writeProtectFlipsBack },
    Column("frames_copied") { $0.framesCopied },
  ]

  /// The hypercalls of direct paging.
  private static let direct: [Column] = [
    Column("mmu_update_calls") { $0.mmuUpdateCalls },
    Column("exits_saved") { $0.exitsSaved },
    Column("hypercall_continuations") { $0.hypercallContinuations },
    Column("balloon_given") { $0.balloonGiven },
    Column("balloon_taken") { $0.balloonTaken },
    Column("balloon_retries") { $0.balloonRetries },
  ]

  /// Every counter, in the order of the columns.
  public static var columns: [Column] { early + late + latest }

  /// The names of all columns, those of the run included.
  public static var names: [String] {
    ["trace", "mode", "machine"] + early.map(\.name) + ["seconds", "operations_per_second"] + late.map(\.name)
      + ["settings"] + latest.map(\.name)
  }

  /// The header line.
  public static var header: String { CSV.line(names) }

  /// The fields of one run, one a column.
  public static func fields(_ run: Run) -> [String] {
    [run.trace, run.mode.rawValue, run.machine] + early.map { String($0.value(run.counters)) }
      + [Decimal.fixed(run.seconds, digits: 6), String(run.operationsPerSecond)]
      + late.map { String($0.value(run.counters)) } + [run.settings]
      + latest.map { String($0.value(run.counters)) }
  }

  /// The line of one run.
  public static func row(_ run: Run) -> String { CSV.line(fields(run)) }

  /// The whole table.
  public static func csv(_ runs: [Run]) -> String { header + runs.map(row).joined() }
}
