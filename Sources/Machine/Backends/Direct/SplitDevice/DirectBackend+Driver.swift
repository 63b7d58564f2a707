internal import Paging

/// Transfers through a ring: the backend's side, in the driver domain. What it asks Xen for is booked with the guest's.
extension DirectBackend {
  /// Takes the requests in the ring, maps what they name, all by one hypercall, and lets the device transfer. Returns for each
  /// whether it could.
  mutating func serve(_ cpu: inout VirtualCPU, _ machine: inout MachineState) -> [Bool] {
    guard let device, let requests = self.device?.ring.takeRequests(machine.memory), !requests.isEmpty
    else { return [] }
    let maps = requests.map { request in
      let flags: GrantMapFlags = [.host, .device, .containsEntry]
      return GrantCall.Map(
        granter: machine.domain, reference: request.reference, address: device.entry(of: request.slot),
        flags: request.writes ? flags : flags.union(.readOnly))
    }
    let results = xen.call(.grant(.map(maps)), from: .driver, &cpu, &machine).parts
    book("grant_table_op map_grant_ref", maps.count, cpu.index, &machine)
    var transfers: [SplitDevice.Transfer] = []
    for (request, result) in zip(requests, results) {
      var transfer = SplitDevice.Transfer(request: request)
      if let handle = result.handle, let frame = result.frames.first {
        transfer.mapping = (handle, frame)
        let access: IOMMU.Access = request.writes ? .write : .read
        let reached = xen.frames.iommu.translate(
          frame.raw, access, for: .driver, machine.memory, &machine.counters)
        transfer.isGood = reached != nil
      } else {
        machine.counters.dmaFaults += 1
      }
      transfers.append(transfer)
    }
    let end = machine.operation + UInt64(machine.settings.dma.duration)
    self.device?.batches.append(SplitDevice.Batch(end: end, transfers: transfers))
    return transfers.map(\.isGood)
  }

  /// Completes what has ended by now; `isLast`: all of it.
  mutating func completeTransfers(
    isLast: Bool = false, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    while let batch = device?.batches.first, isLast || batch.end < machine.operation {
      completeOldest(&cpu, &machine)
    }
  }

  /// The device has done with a batch: what was mapped goes, by one hypercall, and each request gets its response. The frontend
  /// is told of the first, and looks at the others by itself.
  mutating func completeOldest(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard let device, let batch = device.batches.first else { return }
    self.device?.batches.removeFirst()
    let unmaps = batch.transfers.compactMap { transfer in
      transfer.mapping.map {
        GrantCall.Unmap(
          handle: $0.handle, address: device.entry(of: transfer.request.slot), busAddress: $0.frame.address.raw)
      }
    }
    if !unmaps.isEmpty {
      _ = xen.call(.grant(.unmap(unmaps)), from: .driver, &cpu, &machine)
      book("grant_table_op unmap_grant_ref", unmaps.count, cpu.index, &machine)
    }
    for transfer in batch.transfers {
      let response = IORing.Response(number: transfer.request.number, isGood: transfer.isGood)
      notify(self.device?.ring.push(response, &machine.memory) == true, &machine, cpu.index)
    }
    takeResponses(&cpu, &machine)
    if self.device?.batches.isEmpty == true { self.device?.ring.awaitRequests(&machine.memory) }
  }

  /// One hypercall; each grant in it costs what an entry does that is validated.
  private mutating func book(_ name: String, _ count: Int, _ cpu: Int, _ machine: inout MachineState) {
    machine.counters.cycles.validation += UInt64(count) * machine.description.costs.validation
    countHypercall("\(name) of \(count)", nil, nil, nil, &machine, cpu)
  }
}
