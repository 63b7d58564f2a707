internal import Paging

/// Transfers of a guest's devices under a hypervisor that has all frames, in one of three ways
/// (``DMASettings/Translation``). On a bare machine physical pages are machine pages, and nobody has to do anything.
extension Processor where MMU: ~Copyable {
  /// `dma`: a device reads or writes so many bytes, up to the first page that is not there for it.
  mutating func transfer(_ operation: Operation, length: UInt64) throws(ReplayError) {
    if !cpus.running.hasStarted { try start() }
    let address = PhysicalAddress(operation.address)
    let writes = operation.size == 1
    if MMU.takesHypercalls {
      if backend.transfer(address, length: length, writes: writes, &cpus.running, &machine) { return }
      throw error("'dma' without direct.iommu=on or dma.translation=ring")
    }
    guard machine.guest != .process else { throw error("'dma' in a process trace, whose kernel drives no devices") }
    guard length > 0 else { return }
    let (last, isTooLong) = address.raw.addingReportingOverflow(length - 1)
    var pages: [PPN] = []
    var end: PPN?
    for page in address.page.raw...(isTooLong ? .max : last) >> 12 {
      guard machine.isReachable(PPN(page)) else {
        end = PPN(page)
        break
      }
      pages.append(PPN(page))
    }
    machine.counters.dmaPages += UInt64(pages.count)
    if machine.lastUses != nil { for page in pages { machine.lastUses?.note(page, at: machine.operation) } }
    guard MMU.hasHypervisor else { return }
    switch machine.settings.dma.translation {
    case .copy: try copy(pages, writes)
    case .list: try translateLists(pages, writes)
    case .iommu: for page in pages { try translate(page, writes) }
    case .ring: break
    }
    if let end { refuse(end, writes) }
    leaveMonitor()
  }

  /// The hypervisor's own device model moves the bytes.
  private mutating func copy(_ pages: [PPN], _ writes: Bool) throws(ReplayError) {
    machine.countExit(\.exitOther, "dma", UInt64(pages.count), cpus.running.index)
    for page in pages {
      try prepare(page, writes)
      if writes { store(page, machine.frame(of: page)) }
      noteCopied()
    }
  }

  private mutating func noteCopied() {
    machine.counters.dmaCopied += 1
    machine.counters.cycles.control += machine.description.costs.emulation
  }

  /// The device gets machine pages: those stay while it is at them.
  private mutating func translateLists(_ pages: [PPN], _ writes: Bool) throws(ReplayError) {
    let now = machine.operation
    machine.devices.unpin(before: now)
    for first in stride(from: 0, to: pages.count, by: Devices.listPages) {
      let list = pages[first..<min(first + Devices.listPages, pages.count)]
      machine.countExit(\.exitOther, "dma", UInt64(list.count), cpus.running.index)
      for page in list {
        try prepare(page, writes)
        breakSharing(page)
        machine.devices.pin(page, until: now + UInt64(machine.settings.dma.duration))
        machine.counters.dmaPinned += 1
        machine.counters.cycles.control += machine.description.costs.examine
      }
      if writes { for page in list { store(page, machine.frame(of: page)) } }
      if machine.settings.dma.duration == 0 { machine.devices.unpin(before: now + 1) }
    }
  }

  /// The IOMMU translates a page; what its table lacks it asks the hypervisor for (VT-d, page requests).
  private mutating func translate(_ page: PPN, _ writes: Bool) throws(ReplayError) {
    let wanted: IOMMU.Access = writes ? .write : .read
    machine.withdrawWatched()
    if machine.deviceEntry(page)?.access.isSuperset(of: wanted) != true {
      machine.counters.dmaRequests += 1
      machine.countExit(\.exitOther, "dma-request", page.raw, cpus.running.index)
      machine.counters.cycles.control += machine.description.costs.fill
      try prepare(page, writes)
      machine.withdrawWatched()
      guard !writes || !machine.traces.seesStores(to: page) else {
        // Somebody watches on: the hypervisor stores for the device.
        store(page, machine.frame(of: page))
        return noteCopied()
      }
      machine.mapForDevices(page, writes ? [.read, .write] : .read)
    }
    let found = machine.devices.iommu.translate(
      page.raw, wanted, for: machine.domain, machine.memory, &machine.counters)
    guard let frame = found else { preconditionFailure("the IOMMU refuses page \(page.raw)") }
    if writes { store(page, frame) }
  }

  /// A page gets a frame that a device may use; a store to it is seen by all who watch.
  private mutating func prepare(_ page: PPN, _ writes: Bool) throws(ReplayError) {
    try reserveFrames()
    if writes && machine.traces.seesStores(to: page) {
      backend.sawStore(to: page.address, &cpus.running, &machine)
      backend.storedUnknown(page.address, &cpus.running, &machine)
    }
    _ = machine.frameToMap(page)
  }

  /// What a device stores to a frame is like nothing else.
  private mutating func store(_ page: PPN, _ frame: MPN) {
    guard !machine.dropsStores(to: page) else { return }
    let next = machine.contents?.next() ?? 0
    machine.contents?[frame] = next
    machine.markStored(page)
    machine.observer?.used(page)
  }

  /// The transfer ends at a page that is no memory.
  private mutating func refuse(_ page: PPN, _ writes: Bool) {
    machine.counters.dmaFaults += 1
    machine.noteRefused(page, writes: writes, cpus.running.index)
  }
}
