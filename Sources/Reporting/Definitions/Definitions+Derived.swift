import Machine

extension Definitions {
  /// Figures that reports make of several columns.
  static let derived: [Definition] = [
    Definition(
      "refs_per_miss", "references a TLB miss",
      "Page-table entries that the hardware walker read for each TLB miss: walk_refs / tlb_misses.",
      term: "memory references of a TLB miss"),
    Definition(
      "against_native", "times native",
      "Estimated cycles against those of the same trace under native: cycles_total / "
        + "native's cycles_total.", term: "slowdown"),
    Definition(
      "cycles_per_access", "cycles an access",
      "Estimated cycles that memory takes for each access: cycles_total / accesses."),
  ]
}
