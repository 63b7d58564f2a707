import Machine

extension Definitions {
  /// Machines whose TLB software fills.
  static let softwareTLB: [Definition] = [
    Definition(
      "tlb_refills", "exceptions",
      "On machines whose TLB software fills: exceptions that the guest's kernel got because no entry matched.",
      in: filled, term: "TLB refill"),
    Definition(
      "tlb_invalid", "exceptions", "The same because the entry that matched was not valid.", in: filled,
      term: "TLB invalid"),
    Definition(
      "tlb_modified", "exceptions", "The same because of a store to an entry that lets none pass.", in: filled,
      term: "TLB modified"),
    Definition(
      "refill_refs", "references", "Entries of its tables that the guest's kernel loaded to write the TLB.", in: filled),
    Definition("tlb_probes", "instructions", "TLBP of the guest's kernel: which entry has a page.", in: filled),
    Definition("tlb_random_writes", "instructions", "TLBWR of the guest's kernel.", in: filled),
    Definition("tlb_indexed_writes", "instructions", "TLBWI of the guest's kernel.", in: filled),
    Definition(
      "hidden_refills", "faults",
      "Refills of the processor's TLB by the hypervisor, out of the virtual TLB: hidden faults of class fill.",
      in: [.emulatedTLB], term: "second-level software TLB"),
  ]

  private static let filled: [Mode] = [.native, .emulatedTLB]
}
