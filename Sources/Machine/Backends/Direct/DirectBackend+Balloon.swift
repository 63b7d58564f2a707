internal import Paging

/// The hypercalls of the balloon driver (Linux, `decrease_reservation` and `increase_reservation` of
/// drivers/xen/balloon.c).
extension DirectBackend {
  mutating func flushTLBs(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    settle(&cpu, &machine)
    attachAll(&cpu, &machine)
    machine.flushAllCPUs(&cpu)
    countHypercall("mmuext_op tlb_flush_all", nil, nil, nil, &machine, cpu.index)
  }

  mutating func giveBack(_ pages: [PPN], _ cpu: inout VirtualCPU, _ machine: inout MachineState) -> Int {
    settle(&cpu, &machine)
    attachAll(&cpu, &machine)
    let frames = pages.map { machine.physmap.machine($0) }
    for page in pages { port.setLevel(nil, of: page) }
    return reserve(.decrease(frames, order: 0), "decrease_reservation", pages, &cpu, &machine)
  }

  mutating func populate(_ pages: [PPN], _ cpu: inout VirtualCPU, _ machine: inout MachineState) -> Int {
    settle(&cpu, &machine)
    attachAll(&cpu, &machine)
    return reserve(.populate(pages, order: 0), "populate_physmap", pages, &cpu, &machine)
  }

  private mutating func reserve(
    _ call: Hypercall.MemoryCall, _ name: String, _ pages: [PPN], _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) -> Int {
    let result = xen.call(.memory(call), from: machine.domain, &cpu, &machine)
    takeFrames(result.frames, for: .memory(call), machine.domain, &machine)
    countHypercall(
      "memory_op \(name) of \(pages.count)", pages.first?.address, nil, nil, returned: result.value, &machine,
      cpu.index)
    return result.value
  }
}
