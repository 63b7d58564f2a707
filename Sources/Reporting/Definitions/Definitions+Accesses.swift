import Machine

extension Definitions {
  /// What the trace asked for, and what the TLBs answered.
  static let accesses: [Definition] = [
    Definition("accesses", "accesses", "Loads, stores and fetches of the trace."),
    Definition("loads", "accesses", "Loads of the trace."),
    Definition("stores", "accesses", "Stores of the trace, page-table stores included."),
    Definition("fetches", "accesses", "Instruction fetches of the trace: one a block of instructions on one page."),
    Definition(
      "translations", "look-ups",
      "TLB look-ups: one an access and page (two for an access over a page border), and one a recorded fault."),
    Definition("tlb_l1_hits", "look-ups", "Translations that the first-level TLB answered."),
    Definition("tlb_l2_hits", "look-ups", "Translations that missed the first-level TLB and that the second answered."),
    Definition(
      "tlb_misses", "look-ups",
      "Translations that neither TLB level answered. With the hits they are all translations.",
      term: "TLB miss"),
    Definition("guest_pte_writes", "stores", "Page-table stores of the trace.", term: "guest page table update"),
    Definition(
      "guest_cr3_loads", "loads", "CR3 loads of the guest, its context switches above all.", term: "context switch"),
    Definition("guest_invlpgs", "instructions", "INVLPG instructions of the guest.", term: "TLB invalidation"),
    Definition("itlb_l1_misses", "translations", "Look-ups for fetches that the first level did not answer."),
    Definition("dtlb_l1_misses", "translations", "Look-ups for loads and stores that the first level did not answer."),
  ]

  /// The hardware's page walks.
  static let walks: [Definition] =
    [
      Definition(
        "walks", "walks", "Page walks of the hardware, those repeated after a fault included.", term: "page walk"),
      Definition(
        "walk_refs", "references",
        "Page-table entries that the hardware walker read, also in walks that ended in a fault. With no cache of walks 4 a "
          + "native walk and 24 a nested one.", term: "memory references of a (two-dimensional) walk"),
      Definition(
        "walk_refs_guest", "references", "Of the walk references, those to the guest's own tables.",
        in: .walkingGuestTables, term: "guest dimension of the walk"),
      Definition(
        "walk_refs_nested", "references", "Of the walk references, those to the nested table.", in: [.nested],
        term: "nested dimension of the walk (EPT, NPT)"),
      Definition("psc_hits", "walks", "Walks that a paging-structure cache let begin below the top table."),
      Definition(
        "nested_psc_hits", "walks", "Walks of the nested table that a paging-structure cache let begin below the top.",
        in: [.nested]),
      Definition(
        "nested_tlb_hits", "translations", "Translations of physical pages that the nested TLB spared a nested walk.",
        in: [.nested], term: "nested TLB"),
    ] + (1...5).map(level) + (1...5).map(nestedLevel)

  private static func level(_ level: Int) -> Definition {
    Definition(
      "walk_refs_l\(level)", "references",
      "Walk references to tables of level \(level) (1 holds the leaves of 4 KiB pages) on the virtual address's way: the "
        + "guest's tables, or in the shadow modes the hypervisor's.")
  }

  private static func nestedLevel(_ level: Int) -> Definition {
    Definition(
      "walk_refs_nested_l\(level)", "references", "Walk references to tables of level \(level) of the nested table.",
      in: [.nested])
  }
}
