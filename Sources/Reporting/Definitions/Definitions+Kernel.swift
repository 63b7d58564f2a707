extension Definitions {
  /// What the modelled guest kernel did, of process traces.
  static let kernel: [Definition] = [
    Definition(
      "guest_minor_faults", "faults", "Page faults that the modelled kernel settled from memory alone.",
      term: "minor fault"),
    Definition("guest_major_faults", "faults", "Page faults for which it took the disk.", term: "major fault"),
    Definition("guest_signals", "faults", "Page faults for which the process got SIGSEGV."),
    Definition(
      "guest_demand_pages", "pages", "Pages filled with zeros for a process on demand, large ones aside.",
      term: "demand paging"),
    Definition("guest_zero_maps", "pages", "First reads that got the shared page of zeros."),
    Definition("guest_fault_around", "pages", "Pages of files that were mapped because a neighbour faulted."),
    Definition(
      "guest_copies", "pages", "Stores to a page shared with another process that copied it.", term: "copy-on-write"),
    Definition("guest_copy_reuses", "pages", "Stores to a shared page that found nobody else left, and took it over."),
    Definition("guest_reclaimed", "pages", "Pages that reclaim took from processes and from the page cache."),
    Definition("guest_swap_outs", "pages", "Pages that were swapped out.", term: "guest swapping"),
    Definition("guest_swap_ins", "pages", "Pages that were swapped in.", term: "guest swapping"),
    Definition("guest_large_pages", "large pages", "Large pages that were mapped."),
    Definition("guest_large_splits", "large pages", "Large pages that were split."),
    Definition("guest_forks", "forks", "Forks."),
    Definition(
      "guest_write_backs", "pages", "Pages of files that were written to the disk because a process had stored to them."
    ),
    Definition("guest_moved_pages", "pages", "Pages whose mapping mremap moved to another address."),
  ]
}
