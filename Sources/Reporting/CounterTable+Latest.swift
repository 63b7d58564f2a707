import Machine

/// Columns by subject, a list each; a new subject comes last, so that no column changes its place.
extension CounterTable {
  /// The columns that came later still: behind `settings`.
  static let latest: [Column] =
    shadowing + walks + monitor + designs + kernel + cycles + dirtyLog + moves + softwareTLB + entries + direct
    + grants + devices + directDesigns + host + transfers + scheduling + rings

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

  /// Pages that domains let each other use.
  private static let grants: [Column] = [
    Column("grant_maps") { $0.grantMaps },
    Column("grant_unmaps") { $0.grantUnmaps },
    Column("grant_copies") { $0.grantCopies },
  ]

  /// Devices that reach memory by themselves.
  private static let devices: [Column] = [
    Column("dma_translations") { $0.dmaTranslations },
    Column("dma_faults") { $0.dmaFaults },
    Column("iotlb_misses") { $0.iotlbMisses },
    Column("iotlb_flushes") { $0.iotlbFlushes },
    Column("iommu_maps") { $0.iommuMaps },
    Column("iommu_unmaps") { $0.iommuUnmaps },
  ]

  /// Rings and plain stores of direct paging.
  private static let directDesigns: [Column] = [
    Column("base_switches") { $0.baseSwitches },
    Column("syscalls_reflected") { $0.systemCallsReflected },
    Column("tables_detached") { $0.tablesDetached },
    Column("detached_stores") { $0.detachedStores },
    Column("detached_updates") { $0.detachedUpdates },
  ]

  /// One of several machines on a host.
  private static let host: [Column] = [
    Column("cause_host") { $0.causeHost },
    Column("host_fills") { $0.hostFills },
    Column("host_swap_ins") { $0.hostSwapIns },
    Column("host_swap_outs") { $0.hostSwapOuts },
    Column("host_disk_cycles") { $0.hostDiskCycles },
    Column("host_double_paged") { $0.hostDoublePaged },
    Column("host_balloon_pops") { $0.hostBalloonPops },
    Column("host_sampled") { $0.hostSampled },
    Column("host_sample_faults") { $0.hostSampleFaults },
    Column("host_mapped", isLevel: true) { $0.hostMapped },
    Column("host_mapped_peak", isLevel: true) { $0.hostMappedPeak },
    Column("host_swapped", isLevel: true) { $0.hostSwapped },
    Column("host_ballooned", isLevel: true) { $0.hostBallooned },
    Column("host_overhead", isLevel: true) { $0.hostOverhead },
    Column("host_shared", isLevel: true) { $0.hostShared },
    Column("host_merges") { $0.hostMerges },
    Column("host_share_breaks") { $0.hostShareBreaks },
  ]

  /// Transfers of devices, and what the hypervisor does for them.
  private static let transfers: [Column] = [
    Column("dma_pages") { $0.dmaPages },
    Column("dma_copied") { $0.dmaCopied },
    Column("dma_pinned") { $0.dmaPinned },
    Column("dma_requests") { $0.dmaRequests },
  ]

  /// Turns on a host.
  private static let scheduling: [Column] = [Column("host_waits") { $0.hostWaits }]

  /// Transfers through a driver domain.
  private static let rings: [Column] = [
    Column("ring_requests") { $0.ringRequests },
    Column("ring_notifications") { $0.ringNotifications },
    Column("ring_notifications_saved") { $0.ringNotificationsSaved },
  ]
}
