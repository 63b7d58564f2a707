internal import Paging

/// Transfers through a ring (`dma.translation=ring`): the frontend's side, in the guest.
extension DirectBackend {
  /// Builds the device: a ring that the guest has granted and the driver domain has mapped, in a table of its own. The driver
  /// domain has processors of its own, and its devices are behind an IOMMU.
  mutating func addSplitDevice(_ cpu: inout VirtualCPU, _ machine: inout MachineState) throws(ReplayError) {
    // Nobody counts what was there before the trace.
    let counters = machine.counters
    if xen.domains[.driver] == nil {
      xen.domains[.driver] = Xen.Domain()
      xen.frames.clocks[.driver] = 0
      xen.frames.addDevices(to: .driver, [], &machine)
    }
    let (page, table) = (machine.allocateTable(), machine.allocateTable())
    xen.frames.setExtra(page, of: machine.domain, true, &machine)
    xen.frames.setExtra(table, of: .driver, true, &machine)
    let device = SplitDevice(ring: IORing(page: page, &machine.memory), table: table)
    let grant = GrantCall.grantAccess(
      reference: SplitDevice.ringReference, to: .driver, frame: page, isReadOnly: false)
    let map = GrantCall.Map(
      granter: machine.domain, reference: SplitDevice.ringReference, address: device.ringEntry,
      flags: [.host, .containsEntry])
    let isGranted = xen.call(.grant(grant), from: machine.domain, &cpu, &machine).value == 0
    do throws(XenError) {
      try xen.pin(table, level: 1, for: .driver, &cpu, &machine)
    } catch {
      preconditionFailure("an empty table is refused")
    }
    let mapped = xen.call(.grant(.map([map])), from: .driver, &cpu, &machine)
    guard isGranted, mapped.parts.first?.handle != nil else {
      throw ReplayError(
        operation: machine.operation, message: "no frames for a grant table, which dma.translation=ring needs")
    }
    self.device = device
    machine.counters = counters
    _ = xen.takeContinuations()
    machine.notePeaks()
  }

  /// A device transfers pages. It ends with the requests among which one is refused.
  mutating func transferThroughRing(
    _ pages: ClosedRange<UInt64>, writes: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    attachAll(&cpu, &machine)
    var next = pages.lowerBound
    while next <= pages.upperBound {
      guard next < machine.ramPages else { return refuse(next, writes, cpu.index, &machine) }
      while device?.ring.room == 0, device?.batches.isEmpty == false { completeOldest(&cpu, &machine) }
      let room = min(UInt64(device?.ring.room ?? 0), machine.ramPages - next)
      // A backend that does not believe the frontend any more takes nothing.
      guard room > 0 else { return refuse(next, writes, cpu.index, &machine) }
      let count = min(room, pages.upperBound - next + 1)
      let isGood = ask(for: next..<next + count, writes: writes, &cpu, &machine)
      if machine.settings.dma.duration == 0 { completeTransfers(isLast: true, &cpu, &machine) }
      guard isGood else { return }
      next += count
    }
  }

  /// Puts a request for each page into the ring, which has room for them. Returns whether all were carried out.
  private mutating func ask(
    for pages: Range<UInt64>, writes: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Bool {
    for page in pages {
      let number = device?.ring.nextNumber ?? 0
      let reference = SplitDevice.firstReference + Int(number)
      let grant = GrantCall.grantAccess(
        reference: reference, to: .driver, frame: machine.physmap.machine(PPN(page)), isReadOnly: !writes)
      _ = xen.call(.grant(grant), from: machine.domain, &cpu, &machine)
      device?.ring.put(.init(reference: reference, writes: writes, number: number), &machine.memory)
    }
    machine.counters.ringRequests += UInt64(pages.count)
    notify(device?.ring.pushRequests(&machine.memory) == true, &machine, cpu.index)
    // The backend is woken, or at work and looks again.
    let results = serve(&cpu, &machine)
    machine.counters.dmaPages += UInt64(results.count { $0 })
    for (page, isGood) in zip(pages, results) where !isGood {
      machine.noteRefused(PPN(page), writes: writes, cpu.index)
    }
    return results.count == pages.count && results.allSatisfy { $0 }
  }

  /// The frontend hears of what is done, and takes its grants back.
  mutating func takeResponses(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    for response in device?.ring.takeResponses(&machine.memory) ?? [] {
      let end = GrantCall.endAccess(reference: SplitDevice.firstReference + Int(response.number))
      _ = xen.call(.grant(end), from: machine.domain, &cpu, &machine)
    }
  }

  /// The kernel does not use a page for something else while a device is at it: it waits.
  mutating func awaitTransfers(of page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard device?.batches.isEmpty == false else { return }
    let frame = machine.physmap.machine(page)
    while device?.isUnderWay(frame) == true { completeOldest(&cpu, &machine) }
  }

  /// The other end is told by an event (`EVTCHNOP_send`), unless it is at work.
  mutating func notify(_ isNeeded: Bool, _ machine: inout MachineState, _ cpu: Int) {
    if isNeeded {
      machine.counters.ringNotifications += 1
      countHypercall("event_channel_op send", nil, nil, nil, &machine, cpu)
    } else {
      machine.counters.ringNotificationsSaved += 1
    }
  }

  private func refuse(_ page: UInt64, _ writes: Bool, _ cpu: Int, _ machine: inout MachineState) {
    machine.counters.dmaFaults += 1
    machine.noteRefused(PPN(page), writes: writes, cpu)
  }
}
