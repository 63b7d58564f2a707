internal import Paging

extension DirectBackend {
  /// Xen's own counts hold, and no processor may hold a writable translation to a table, nor any to another's frame.
  borrowing func violatedInvariant(_ cpu: borrowing VirtualCPU, _ machine: inout MachineState) -> String? {
    xen.violatedInvariant(machine) ?? staleRight(cpu, machine)
  }

  private borrowing func staleRight(
    _ cpu: borrowing VirtualCPU, _ machine: borrowing MachineState
  ) -> String? {
    for entry in cpu.fetches.entries() + cpu.data.entries() + cpu.second.entries() {
      guard entry.data & TLBData.allowed != 0 else { continue }
      let frame = TLBData.frame(entry.data)
      if entry.data & TLBData.stores != 0 && xen.frames[frame].isTable {
        return "the TLB lets stores reach the table in machine frame \(String(frame.raw, radix: 16))"
      }
      // A frame that is free may still be there: it is flushed before somebody else gets it.
      let writes = entry.data & TLBData.stores != 0
      if let owner = xen.frames.owner(of: frame, machine), owner != machine.domain,
        !xen.hasGrant(of: frame, to: machine.domain, writes: writes)
      {
        return "the TLB leads to machine frame \(String(frame.raw, radix: 16)) of domain \(owner.raw)"
      }
    }
    return nil
  }
}
