import Machine

extension Definitions {
  /// The dirty log.
  static let dirtyLog: [Definition] = [
    Definition("dirty_log_rounds", "rounds", "Rounds of dirty logging that were harvested.", in: logging),
    Definition(
      "dirty_log_pages", "pages", "Physical pages of 4 KiB that were dirtied, in each round anew.", in: logging,
      term: "dirty pages"),
    Definition("dirty_log_pages_peak", "pages", "Pages dirtied in the round with most.", in: logging),
    Definition(
      "trace_faults_dirty_log", "faults",
      "Faults on pages that the dirty log write-protects, whoever else watches them.", in: logging),
    Definition(
      "dirty_log_exits", "exits",
      "Exits that the dirty log alone has caused: first stores of a round to a write-protected page, and full "
        + "page-modification logs. Harvests are not among them.", in: logging),
    Definition(
      "dirty_log_full", "exits", "Exits because the page-modification log had no room for another page.",
      in: [.nested], term: "page-modification log-full event"),
    Definition(
      "dirty_log_examined", "entries",
      "Entries that harvests have looked at: pages to protect again, leaves for their D bit, or logged addresses.",
      in: logging),
    Definition(
      "dirty_log_cycles", "cycles",
      "Estimated cycles of the dirty log: its exits and its harvests. They are among cycles_virtualization.",
      in: logging),
  ]

  /// What the hypervisor does to the nested table, and to what is cached of it.
  static let nestedTable: [Definition] = [
    Definition(
      "nested_split", "tables", "Large pages of the nested table that were split, a table each.", in: [.nested],
      term: "large page splitting"),
    Definition(
      "nested_collapsed", "pages", "Larger pages of the nested table that were put together from smaller ones.",
      in: [.nested], term: "large page collapsing"),
    Definition(
      "invepts", "instructions",
      "INVEPTs of the hypervisor, one for each virtual CPU that had to make one; under NPT flushes of the guest's ASID.",
      in: [.nested], term: "TLB shootdown"),
    Definition(
      "invvpids", "instructions", "INVVPIDs of the hypervisor, one for each virtual CPU that was given a VPID.",
      in: [.nested]),
    Definition(
      "exit_flushes", "flushes", "Flushes of untagged TLB entries by the exits of a guest without VPID.",
      in: [.nested]),
  ]

  /// Modes under which stores can be logged.
  private static let logging: [Mode] = [.emulatedTLB, .shadow, .nested]
}
