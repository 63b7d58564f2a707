/// What the hypervisor does, in the summary.
extension Summary {
  static let exits = Group(
    "exits",
    [
      Row("exits", "exits"),
      Row("  faults and violations", "exit_fault"),
      Row("  CR3 loads", "exit_cr3"),
      Row("  INVLPG", "exit_invlpg"),
      Row("  hypercalls", "exit_hypercall"),
      Row("  interrupts", "exit_interrupt"),
      Row("  other", "exit_other"),
      Row("calls of the monitor, no exits", "monitor_calls"),
      Row("TLB flushes on the way to the monitor", "monitor_flushes"),
      Row("exits a million accesses", "exits", .ratioTo("accesses", scale: 1_000_000)),
      Row("hypercalls", "hypercalls"),
      Row("page-table updates asked for", "mmu_updates"),
      Row("  a hypercall", "mmu_updates", .ratioTo("hypercalls", scale: 1)),
    ])

  static let directPaging = Group(
    "direct paging",
    [
      Row("exits saved by batching", "exits_saved"),
      Row("switches between kernel's and user's base table", "base_switches"),
      Row("system calls sent on to the kernel", "syscalls_reflected"),
      Row("tables detached for plain stores", "tables_detached"),
      Row("  stores to them", "detached_stores"),
      Row("  entries validated when attached again", "detached_updates"),
      Row("pages given back by the balloon", "balloon_given"),
      Row("pages taken back", "balloon_taken"),
      Row("granted pages mapped", "grant_maps"),
      Row("  unmapped", "grant_unmaps"),
      Row("  copied", "grant_copies"),
      Row("translations for devices", "dma_translations"),
      Row("  IOTLB misses", "iotlb_misses"),
    ])

  /// On machines whose TLB software fills.
  static let softwareTLB = Group(
    "TLB refills by software",
    [
      Row("refills", "tlb_refills"),
      Row("  hidden from the guest", "hidden_refills"),
      Row("TLB-invalid exceptions", "tlb_invalid"),
      Row("TLB-modified exceptions", "tlb_modified"),
      Row("entries read by handlers", "refill_refs"),
    ])

  static let memory = Group(
    "memory",
    [
      Row("shadow pages at the end", "shadow_pages"),
      Row("leaves that the emulated TLB had no room for", "emulated_tlb_evicted"),
      Row("pages of code translated", "pages_translated"),
      Row("  invalidated by a store", "translations_invalidated"),
      Row("shadow pages, peak", "shadow_pages_peak"),
      Row("  made", "shadow_pages_made"),
      Row("  evicted", "shadow_pages_evicted"),
      Row("  recycled", "shadow_pages_recycled"),
      Row("  out of step", "shadow_pages_unsynced"),
      Row("  in per cent of guest tables, at the end", "bloat_percent"),
      Row("  in per cent of guest tables, peak", "bloat_percent_peak"),
      Row("large shadow leaves made", "shadow_large_made"),
      Row("  broken up for a trace", "shadow_large_broken"),
      Row("read-only entries turned for CR0.WP = 0", "wp_flips"),
      Row("  and turned back", "wp_flips_back"),
      Row("entries examined in passing", "entries_examined"),
      Row("shadow entries made ahead", "prefetched"),
      Row("  used", "prefetched_used"),
      Row("frames copied on write", "frames_copied"),
      Row("traced pages, peak", "traced_pages_peak"),
      Row("machine frames, peak", "machine_frames_peak"),
    ])

  static let dirtyLog = Group(
    "dirty log",
    [
      Row("rounds", "dirty_log_rounds"),
      Row("pages dirtied, all rounds", "dirty_log_pages"),
      Row("  a round", "dirty_log_pages", .ratioTo("dirty_log_rounds", scale: 1)),
      Row("  peak", "dirty_log_pages_peak"),
      Row("exits for it alone", "dirty_log_exits"),
      Row("  for a full modification log", "dirty_log_full"),
      Row("entries examined by harvests", "dirty_log_examined"),
      Row("cycles for it", "dirty_log_cycles"),
    ])

  static let nestedTable = Group(
    "nested table",
    [
      Row("large pages split", "nested_split"),
      Row("tables collapsed into large pages", "nested_collapsed"),
      Row("INVEPT", "invepts"),
      Row("INVVPID", "invvpids"),
      Row("flushes by exits without VPID", "exit_flushes"),
    ])

  static let cycles = Group(
    "cycles (estimated)",
    [
      Row("translation", "cycles_translation", .shareOf("cycles_total")),
      Row("guest", "cycles_guest", .shareOf("cycles_total")),
      Row("virtualization", "cycles_virtualization", .shareOf("cycles_total")),
      Row("total", "cycles_total"),
      Row("  an access", "cycles_total", .ratioTo("accesses", scale: 1)),
      Row("  against native", "cycles_total", .timesNative),
    ])
}
