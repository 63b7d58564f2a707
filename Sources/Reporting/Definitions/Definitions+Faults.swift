import Machine

extension Definitions {
  /// Faults, by whom they concern.
  static let faults: [Definition] = [
    Definition(
      "true_faults", "faults",
      "Page faults that the guest's own tables demand: delivered to the guest, and the same in every mode.",
      term: "true page fault"),
    Definition(
      "hidden_faults", "faults",
      "Faults and nested-paging violations that enter the hypervisor and that the guest never sees. The sum of the five "
        + "classes fill, trace, dirty, host and other.", in: .virtualized, term: "hidden page fault"),
    Definition(
      "hidden_fill", "faults", "Hidden faults because the hypervisor had no entry for the page yet.",
      in: .virtualized, term: "shadow table miss; nested: violation on first touch"),
    Definition(
      "hidden_trace", "faults",
      "Hidden faults because a memory trace watches the page that was stored to; under direct paging, of stores for which "
        + "Xen detaches a table.", in: .virtualized, term: "memory trace on a guest page table"),
    Definition(
      "hidden_dirty", "faults",
      "Hidden faults of first stores: the hypervisor's entry is read-only as long as the guest's D bit is clear.",
      in: .virtualized, term: "emulation of the dirty bit"),
    Definition(
      "hidden_host", "faults", "Hidden faults because the hypervisor had given no machine frame to the page.",
      in: .virtualized, term: "host page fault (swapping, sharing)"),
    Definition(
      "hidden_other", "faults", "Hidden faults for another reason, accesses to emulated devices above all.",
      in: .virtualized),
    Definition(
      "general_protections", "faults",
      "General-protection faults delivered to the guest: non-canonical addresses, segment limits, refused register loads."
    ),
  ]

  /// Hidden faults by a finer cause, and memory-trace faults by who watches the page.
  static let causes: [Definition] =
    [
      Definition(
        "cause_table", "faults", "Hidden faults because a table above the leaf was missing.", in: .shadowing,
        term: "undiscovered guest page table"),
      Definition("cause_leaf", "faults", "Hidden faults because the leaf was missing.", in: .shadowing),
      Definition(
        "cause_accessed", "faults", "Hidden faults because the leaf was missing and the guest's A bit was clear.",
        in: .shadowing, term: "emulation of the accessed bit"),
      Definition(
        "cause_dirty", "faults", "Hidden faults because the guest's D bit was clear.", in: .shadowing,
        term: "emulation of the dirty bit"),
      Definition(
        "cause_trace", "faults", "Hidden faults because of a memory trace.", in: .shadowing, term: "memory trace"),
      Definition(
        "cause_wp", "faults", "Hidden faults of supervisor stores that only CR0.WP = 0 allows.", in: .shadowing),
      Definition(
        "wp_flips", "faults",
        "Hidden faults that made a read-only entry one that only the supervisor may use, and store to (CR0.WP = 0).",
        in: .shadowing, term: "emulation of CR0.WP"),
      Definition(
        "wp_flips_back", "faults", "Hidden faults that made such an entry the user's again, and read-only.",
        in: .shadowing, term: "emulation of CR0.WP"),
      Definition("cause_device", "faults", "Hidden faults on an emulated device.", in: .shadowing),
      Definition(
        "cause_upgrade", "faults", "Hidden faults on entries with fewer rights than the guest's have by now.",
        in: .shadowing),
      Definition(
        "cause_monitor", "faults", "Hidden faults on the range of addresses where the monitor hides.",
        in: .shadowing, term: "hiding the monitor in the guest's address space"),
    ]
    + [
      traceFaults("shadow", "a guest table that has a shadow", "write trace on a guest page table"),
      traceFaults("rom", "read-only memory: the store is dropped", ""),
      traceFaults("frame_buffer", "the frame buffer", ""),
      traceFaults("device", "memory of an emulated device", ""),
      traceFaults("cow", "a page that is shared until its first store", "copy-on-write of shared pages"),
      traceFaults(
        "translations", "a page whose code the binary translator has translated", "translation cache coherence"),
    ]
    + [
      Definition(
        "frames_copied", "pages", "Pages that copy-on-write of the hypervisor gave a machine frame of their own.",
        in: [.emulatedTLB, .shadow, .nested], term: "copy-on-write of shared pages")
    ]
    + (1...5).map { level in
      Definition(
        "trace_faults_l\(level)", "faults",
        "Memory-trace faults on guest tables of level \(level) (the uppermost for a table of several levels).",
        in: [.shadow], term: "write trace on a guest page table")
    }

  private static func traceFaults(_ client: String, _ page: String, _ term: String) -> Definition {
    Definition(
      "trace_faults_" + client, "faults", "Memory-trace faults on \(page). A fault that several watch counts for each.",
      in: [.emulatedTLB, .shadow, .nested], term: term)
  }
}
