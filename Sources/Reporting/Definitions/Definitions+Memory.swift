import Machine

extension Definitions {
  /// The life of shadow tables.
  static let shadowTables: [Definition] = [
    Definition(
      "shadow_pages_made", "pages", "Pages of shadow tables that were made.", in: .shadowing,
      term: "shadow page table"),
    Definition("shadow_pages_evicted", "pages", "Pages of shadow tables given up for want of room.", in: [.shadow]),
    Definition(
      "shadow_pages_recycled", "pages",
      "Pages of shadow tables given up because the guest's page is no table any more.",
      in: [.shadow], term: "page table page re-used for data"),
    Definition(
      "shadow_pages_unsynced", "tables", "Times that a guest table was let go out of step with its shadow.",
      in: [.shadow], term: "unsynchronized shadow"),
    Definition(
      "shadow_pages_resynced", "tables", "Times that a guest table and its shadow were brought together again.",
      in: [.shadow], term: "resynchronization"),
    Definition(
      "prefetched", "entries", "Shadow entries made ahead, next to one that a fault demanded.", in: [.shadow],
      term: "prefetching into the shadow"),
    Definition("prefetched_used", "entries", "Shadow entries made ahead that the hardware then used.", in: [.shadow]),
    Definition(
      "prefetched_in_vain", "entries", "Shadow entries made ahead that went, or were left at the end, unused.",
      in: [.shadow]),
    Definition(
      "shadow_large_made", "entries", "Shadow leaves of large pages that were made.", in: [.shadow]),
    Definition(
      "shadow_large_broken", "entries", "Shadow leaves of large pages broken up for a memory trace on a page inside.",
      in: [.shadow]),
    Definition(
      "entries_examined", "entries",
      "Guest entries that the hypervisor looked at to make, renew, compare or drop shadow entries without a fault on each.",
      in: .shadowing),
    Definition(
      "emulated_tlb_evicted", "entries", "Leaves of the emulated TLB given up for want of room.", in: [.emulatedTLB],
      term: "capacity of the emulated TLB"),
  ]

  /// Memory that a mode takes. Levels and peaks: what stands at the end, and what stood at most.
  static let memory: [Definition] = [
    Definition(
      "shadow_pages", "pages", "Pages of shadow tables in use at the end.", in: .virtualized, term: "shadow page table"),
    Definition(
      "shadow_pages_peak", "pages", "Pages of shadow tables in use at most.", in: .virtualized, term: "memory overhead"),
    Definition(
      "traced_pages_peak", "pages", "Pages under a memory trace at most.", term: "memory trace"),
    Definition(
      "machine_frames_peak", "frames",
      "Machine frames of 4 KiB in use at most: the guest's memory and the hypervisor's "
        + "tables.", term: "machine memory"),
    Definition(
      "guest_table_pages", "pages", "Pages that hold tables of the guest's at the end, as far as the trace tells.",
      term: "guest page table"),
    Definition(
      "bloat_percent", "percent", "Pages of shadow tables for each 100 pages of the guest's tables, at the end.",
      in: .virtualized, term: "memory bloat"),
    Definition(
      "bloat_percent_peak", "percent", "Pages of shadow tables for each 100 pages of the guest's tables, at most.",
      in: .virtualized, term: "memory bloat"),
    Definition(
      "frame_buffer_dirty_rows", "rows", "Rows of the frame buffer that were stored to at least once.",
      in: [.emulatedTLB, .shadow, .nested]),
  ]

  /// Estimated time: counts times the machine's costs.
  static let cycles: [Definition] =
    [
      Definition(
        "cycles_translation", "cycles",
        "Estimated cycles of the hardware's translation: second-level TLB hits and walk references through the walk caches.",
        term: "walk overhead"),
      Definition(
        "cycles_guest", "cycles",
        "Estimated cycles that the guest's own faults, CR3 loads and invalidations take without a hypervisor."),
      Definition(
        "cycles_virtualization", "cycles", "Estimated cycles in the hypervisor, with the ways in and out.",
        in: .virtualized, term: "virtualization overhead"),
      Definition(
        "cycles_total", "cycles",
        "Estimated cycles of all that memory takes: translation, guest and virtualization. The instructions themselves are "
          + "not in it."),
    ]
    + Cycles.items.map { item in
      Definition(
        "cycles_" + item.name, "cycles", "Estimated cycles of \(item.title).",
        in: item.isHypervisors ? .virtualized : Mode.allCases)
    }
}
