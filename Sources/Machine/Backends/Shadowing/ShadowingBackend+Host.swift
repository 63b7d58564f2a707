internal import Paging

/// What a host of several machines asks of tables that the hypervisor makes.
extension ShadowingBackend where Self: ~Copyable {
  static func hostProblem(_ settings: Settings) -> String? { nil }

  mutating func unmap(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    dropMappings(of: page, &cpu, &machine)
  }
}
