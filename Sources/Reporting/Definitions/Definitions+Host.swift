import Machine

extension Definitions {
  /// What a machine has of a host that it shares with others.
  static let host: [Definition] = [
    Definition(
      "cause_host", "faults", "Hidden faults for want of a machine frame, on a host of several machines.",
      in: .shadowing),
    Definition(
      "host_fills", "pages", "Pages that got a machine frame, of zeros, at their first use.", in: .onHosts,
      term: "demand allocation"),
    Definition(
      "host_swap_ins", "pages", "Pages that the host read from its swap area, because they were used.", in: .onHosts,
      term: "host swapping (VMM paging)"),
    Definition(
      "host_swap_outs", "pages", "Pages whose frames the host took, and wrote to its swap area.", in: .onHosts,
      term: "host swapping (VMM paging)"),
    Definition(
      "host_disk_cycles", "cycles", "Cycles that the machine waited for the host's swap area.", in: .onHosts),
    Definition(
      "host_double_paged", "pages",
      "Pages that the host read from its swap area only because the guest's kernel wrote them to its own.",
      in: .onHosts, term: "double paging"),
    Definition(
      "host_balloon_pops", "pages", "Pages that were used though the guest's balloon had given them away.",
      in: .onHosts, term: "popped balloon"),
    Definition(
      "host_sampled", "pages", "Pages whose mappings the host took out, to see which are used.", in: .onHosts,
      term: "statistical sampling of the working set"),
    Definition("host_sample_faults", "pages", "Those of them that were used.", in: .onHosts),
    Definition("host_mapped", "pages", "Pages with a machine frame, at the end.", in: .virtualized),
    Definition("host_mapped_peak", "pages", "Pages with a machine frame, at most.", in: .virtualized),
    Definition("host_swapped", "pages", "Pages in the host's swap area, at the end.", in: .onHosts),
    Definition(
      "host_ballooned", "pages", "Pages that the guest's balloon has given away, at the end.", in: .virtualized,
      term: "balloon"),
    Definition(
      "host_overhead", "frames", "Frames of the hypervisor's for this machine: tables and physmap, at the end.",
      in: .virtualized),
    Definition(
      "host_shared", "pages", "Pages whose machine frame is behind others that hold the same, at the end.",
      in: .onHosts,
      term: "content-based page sharing"),
    Definition(
      "host_merges", "pages", "Pages that were found to hold what another does, and got its frame.", in: .onHosts,
      term: "content-based page sharing"),
    Definition(
      "host_share_breaks", "pages", "Stores to such pages, which gave them a frame of their own.", in: .onHosts,
      term: "copy-on-write"),
    Definition(
      "host_waits", "turns",
      "Turns for which the machine did not run: it was above its target while the host's free memory was low.",
      in: .virtualized, term: "low state"),
  ]
}

extension [Mode] {
  /// Modes of machines that can share a host's memory page by page.
  static let onHosts: [Mode] = [.emulatedTLB, .shadow, .nested]
}
