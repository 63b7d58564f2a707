internal import Paging

extension NestedBackend {
  /// Every leaf leads where the physmap does, withholds what the page's watchers need, and is as small as they need it;
  /// nothing else is withheld.
  borrowing func violatedInvariant(_ cpu: borrowing VirtualCPU, _ machine: inout MachineState) -> String? {
    for leaf in table.leaves(machine) {
      if let problem = problem(of: leaf, &machine) {
        return "nested leaf \(String(leaf.entry, radix: 16)) of page \(String(leaf.first.raw, radix: 16)): \(problem)"
      }
    }
    return nil
  }

  private func problem(of leaf: NestedLeaf, _ machine: inout MachineState) -> String? {
    if machine.isDevice(PPN(leaf.first.raw + leaf.size.pages - 1)) { return "maps device memory" }
    if MPN(leaf.entry >> 12 & 0xff_ffff_ffff) != machine.frame(of: leaf.first) { return "leads elsewhere" }
    if leaf.size > .small {
      if leaf.size > limit(machine) { return "is larger than may be" }
      return machine.traces.seesAny(in: leaf.first, leaf.size) ? "is large though somebody watches a part" : nil
    }
    let allowed = NestedRights(machine.traces.protection(of: leaf.first))
    return leaf.rights == allowed ? nil : "grants \(leaf.rights.rawValue), expected \(allowed.rawValue)"
  }
}
