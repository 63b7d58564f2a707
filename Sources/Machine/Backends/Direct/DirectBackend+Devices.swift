internal import Paging

/// Devices of the guest's own, behind an IOMMU (`direct.iommu`).
extension DirectBackend {
  /// The domain is built: its RAM is in the IOMMU's table, a run for each GiB of machine memory.
  mutating func giveDevices(_ machine: inout MachineState) {
    guard machine.settings.direct.hasIOMMU else { return }
    var runs: [Range<UInt64>] = []
    var page: UInt64 = 0
    // What a host has given lies here and there.
    while page < machine.ramPages && !machine.isOnHost {
      let count = min(MachineRegions.pages, machine.ramPages - page)
      let first = machine.physmap.machine(PPN(page)).raw
      runs.append(first..<first + count)
      page += count
    }
    // The domain is being built, which nobody counts.
    let counters = machine.counters
    xen.frames.addDevices(to: machine.domain, runs, &machine)
    machine.counters = counters
    machine.notePeaks()
  }

  /// A device of the guest's transfers bytes; the guest's driver tells it the machine address, by P2M. It ends at the first
  /// page that the IOMMU refuses.
  mutating func transfer(
    _ address: PhysicalAddress, length: UInt64, writes: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Bool {
    let isRing = machine.settings.dma.translation == .ring
    guard isRing || machine.settings.direct.hasIOMMU else { return false }
    settle(&cpu, &machine)
    guard length > 0 else { return true }
    let (last, isTooLong) = address.raw.addingReportingOverflow(length - 1)
    let pages = address.page.raw...(isTooLong ? .max : last) >> 12
    if isRing {
      transferThroughRing(pages, writes: writes, &cpu, &machine)
      return true
    }
    for page in pages {
      let frame = machine.physmap.machine(PPN(page))
      let access: IOMMU.Access = writes ? .write : .read
      if xen.frames.iommu.translate(
        frame.raw, access, for: machine.domain, machine.memory, &machine.counters) != nil
      {
        machine.counters.dmaPages += 1
        continue
      }
      machine.noteRefused(PPN(page), writes: writes, cpu.index)
      break
    }
    return true
  }
}
