internal import Paging

extension DirectBackend {
  /// Xen's own counts hold, and no processor may hold a writable translation to a table, nor any to another's frame.
  borrowing func violatedInvariant(_ cpu: borrowing VirtualCPU, _ machine: inout MachineState) -> String? {
    xen.violatedInvariant(machine) ?? staleRight(cpu, machine) ?? violatedBases(cpu, &machine)
  }

  private borrowing func staleRight(
    _ cpu: borrowing VirtualCPU, _ machine: borrowing MachineState
  ) -> String? {
    for entry in cpu.entries {
      guard entry.data & TLBData.allowed != 0 else { continue }
      let frame = TLBData.frame(entry.data)
      let role = xen.detached.isEmpty ? nil : xen.detached.role(of: frame)
      let isWindow = role.flatMap { xen.detached[$0] }.map { entry.covers($0.window.page) } ?? false
      if entry.data & TLBData.stores != 0 && xen.frames[frame].isTable && !isWindow {
        return "the TLB lets stores reach the table in machine frame \(String(frame.raw, radix: 16))"
      }
      // A frame that is free may still be there: it is flushed before somebody else gets it.
      let writes = entry.data & TLBData.stores != 0
      if let number = machine.hosted?.number, machine.host.isAnothers(frame, than: number) {
        return "the TLB leads to machine frame \(String(frame.raw, radix: 16)), which is another machine's"
      }
      if let owner = xen.frames.owner(of: frame, machine), owner != machine.domain,
        !xen.hasGrant(of: frame, to: machine.domain, writes: writes)
      {
        return "the TLB leads to machine frame \(String(frame.raw, radix: 16)) of domain \(owner.raw)"
      }
    }
    return hiddenRight(cpu)
  }

  /// While a table is detached, nothing that it maps may be reached by what was known of it.
  private borrowing func hiddenRight(_ cpu: borrowing VirtualCPU) -> String? {
    guard let link = xen.detached[.active]?.link else { return nil }
    for entry in cpu.entries
    where entry.data & TLBData.allowed != 0 {
      let page = (entry.tag >> 19) << entry.size.pageShift
      if ((page ^ link.address.page.raw) & 0x1fff_ffff_ffff) >> 9 == 0 && entry.context == cpu.context {
        return "the TLB has page \(String(page, radix: 16)) of a detached table"
      }
    }
    return nil
  }
}
