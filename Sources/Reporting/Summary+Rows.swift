/// What the summary shows, in its order: labels for people, and the columns behind them.
extension Summary {
  static let groups: [Group] = [
    warnings, trace, translation, faults, kernel, exits, directPaging, softwareTLB, memory, dirtyLog, nestedTable,
    cycles,
  ]

  /// What should not be there, before anything else.
  private static let warnings = Group(
    "look at these first",
    [
      Row("! divergences (must be 0)", "divergences"),
      Row("! updates rejected", "mmu_updates_rejected"),
      Row("! general-protection faults", "general_protections"),
      Row("! faults that ended in SIGSEGV", "guest_signals"),
      Row("! transfers of devices that faulted", "dma_faults"),
      Row("stale TLB hits, allowed", "stale_hits"),
    ])

  private static let trace = Group(
    "trace",
    [
      Row("operations", "operations", .countEvenIfZero),
      Row("accesses", "accesses", .countEvenIfZero),
      Row("  loads", "loads"),
      Row("  stores", "stores"),
      Row("  fetches", "fetches"),
      Row("page-table stores", "guest_pte_writes"),
      Row("CR3 loads", "guest_cr3_loads"),
      Row("INVLPG", "guest_invlpgs"),
    ])

  private static let translation = Group(
    "translation",
    [
      Row("translations", "translations"),
      Row("  L1 TLB hits", "tlb_l1_hits", .shareOf("translations")),
      Row("  L2 TLB hits", "tlb_l2_hits", .shareOf("translations")),
      Row("  TLB misses", "tlb_misses", .shareOf("translations")),
      Row("walks", "walks"),
      Row("walk references", "walk_refs"),
      Row("  to guest tables", "walk_refs_guest"),
      Row("  to the nested table", "walk_refs_nested"),
      Row("  a walk", "walk_refs", .ratioTo("walks", scale: 1)),
      Row("  a TLB miss", "walk_refs", .ratioTo("tlb_misses", scale: 1)),
      Row("hits of paging-structure caches", "psc_hits"),
      Row("  for the nested table", "nested_psc_hits"),
      Row("hits of the nested TLB", "nested_tlb_hits"),
    ])

  private static let faults = Group(
    "faults",
    [
      Row("true faults", "true_faults"),
      Row("hidden faults", "hidden_faults"),
      Row("  fill", "hidden_fill"),
      Row("  trace", "hidden_trace"),
      Row("    for shadow tables", "trace_faults_shadow"),
    ]
      + (1...5).map { Row("      of level \($0)", "trace_faults_l\($0)") }
      + [
        Row("    for ROM", "trace_faults_rom"),
        Row("    for the frame buffer", "trace_faults_frame_buffer"),
        Row("    for a device", "trace_faults_device"),
        Row("    for translated code", "trace_faults_translations"),
        Row("    for copy-on-write", "trace_faults_cow"),
        Row("    for the dirty log", "trace_faults_dirty_log"),
        Row("  dirty", "hidden_dirty"),
        Row("  host", "hidden_host"),
        Row("  other", "hidden_other"),
        Row("    on an emulated device", "cause_device"),
        Row("    by CR0.WP = 0 alone", "cause_wp"),
        Row("    fewer rights than the guest's", "cause_upgrade"),
        Row("    where the monitor hides", "cause_monitor"),
        Row("hidden faults a true fault", "hidden_faults", .ratioTo("true_faults", scale: 1)),
      ])

  /// The modelled guest kernel, of process traces.
  private static let kernel = Group(
    "guest kernel",
    [
      Row("minor faults", "guest_minor_faults"),
      Row("major faults", "guest_major_faults"),
      Row("pages zeroed on demand", "guest_demand_pages"),
      Row("mappings of the zero page", "guest_zero_maps"),
      Row("file pages mapped around a fault", "guest_fault_around"),
      Row("copies on write", "guest_copies"),
      Row("pages taken over instead", "guest_copy_reuses"),
      Row("large pages", "guest_large_pages"),
      Row("  split", "guest_large_splits"),
      Row("forks", "guest_forks"),
      Row("pages reclaimed", "guest_reclaimed"),
      Row("  swapped out", "guest_swap_outs"),
      Row("  swapped in", "guest_swap_ins"),
    ])
}
