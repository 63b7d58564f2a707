internal import Paging

/// What a host of several machines asks of tables that the hypervisor makes.
extension ShadowingBackend where Self: ~Copyable {
  static func hostProblem(_ settings: Settings) -> String? { nil }

  mutating func unmap(_ pages: [PPN], _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    for page in pages { dropLeaves(of: page, &machine) }
    machine.flushAllCPUs(&cpu)
  }

  /// Takes out every mapping of a page: reads must be seen from now on, or its frame changes. No TLB leads to it either.
  mutating func dropMappings(of page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    dropLeaves(of: page, &machine)
    // A processor may have read the page by an entry that is gone already.
    machine.flushAllCPUs(&cpu)
  }
}
