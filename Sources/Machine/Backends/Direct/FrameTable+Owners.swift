internal import Paging

/// Whose frames are: given, released, lent by the host.
extension FrameTable {
  /// Whose a frame is, nil if nobody's.
  func owner(of frame: MPN, _ machine: borrowing MachineState) -> DomainID? {
    // The table's index has 40 bits.
    guard frame.raw >> 40 == 0 else { return nil }
    let owner = self[frame].owner
    return owner == .built ? builder(of: frame, machine) : owner.domain
  }

  func isOwned(_ frame: MPN, by domain: DomainID, _ machine: borrowing MachineState) -> Bool {
    owner(of: frame, machine) == domain
  }

  /// Pages of RAM that a domain was built with.
  func builtPages(_ domain: DomainID, _ machine: borrowing MachineState) -> UInt64 {
    // What a host has given is as good as gained.
    if isOnHost { return 0 }
    return domain == machine.domain ? machine.ramPages : built[domain] ?? 0
  }

  /// The domain that was built with a frame, nil for what is nobody's RAM.
  func builder(of frame: MPN, _ machine: borrowing MachineState) -> DomainID? {
    guard let region = machine.physmap.regions.region(of: frame) else { return nil }
    return region.page(frame).raw < builtPages(region.domain, machine) ? region.domain : nil
  }

  /// The domain that has the device whose memory a frame is, nil if it is no device's.
  func deviceOwner(of frame: MPN, _ machine: borrowing MachineState) -> DomainID? {
    guard frame.raw >> 40 == 0, self[frame].owner == .built,
      let region = machine.physmap.regions.region(of: frame)
    else { return nil }
    return region.page(frame).raw < builtPages(region.domain, machine) ? nil : region.domain
  }

  /// Whether a frame is memory of a device.
  func isDevice(_ frame: MPN, _ machine: borrowing MachineState) -> Bool { deviceOwner(of: frame, machine) != nil }

  /// Gives a frame that nobody has to a domain. Whoever had it before may have it in a TLB: that is flushed before.
  mutating func assign(
    _ frame: MPN, to domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    let old = self[frame]
    if old.owner == .nobody { flush(old.former, since: old.droppedAt, &cpu, &machine) }
    set(frame, Frame())
    change(frame) { $0.owner = .domain(domain) }
    followType(frame, &machine)
    gained[domain, default: 0] += 1
  }

  /// Whether a domain has processors of its own, on which it does not run at present.
  private func isAway(_ domain: DomainID, _ machine: borrowing MachineState) -> Bool {
    domain != machine.domain && clocks[domain] != nil
  }

  /// ``MachineState/flushClock`` of a domain; one without a trace of its own has no CPU but the one that makes its
  /// hypercalls.
  func clock(of domain: DomainID, _ machine: borrowing MachineState) -> UInt64 {
    isAway(domain, machine) ? clocks[domain] ?? 0 : machine.flushClock
  }

  /// Flushes a domain's CPUs, if they had no flush since its clock was so much; of one that does not run, before it does.
  mutating func flush(
    _ domain: DomainID, since clock: UInt64, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    guard clock == self.clock(of: domain, machine) else { return }
    flushCPUs(of: domain, &cpu, &machine)
  }

  /// Flushes a domain's CPUs; of one that does not run, before it does.
  mutating func flushCPUs(of domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    if isAway(domain, machine) { owedFlushes.insert(domain) } else { machine.flushAllCPUs(&cpu) }
  }

  /// Takes 2^order frames in a row for a domain, single ones from the heap first; nil if there are none.
  mutating func allocate(
    order: Int = 0, for domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> MPN? {
    let count = UInt64(1) << UInt64(order)
    let first: MPN
    if isOnHost {
      returnFrames(&cpu, &machine)
      // A host promises no frames in a row.
      guard order == 0, let frame = machine.takeFromHost() else { return nil }
      first = frame
    } else if order == 0, let free = heap.popLast() {
      first = free
    } else {
      guard reserve >= count else { return nil }
      reserve -= count
      first = machine.physmap.allocateFrames(count)
      machine.notePeaks()
    }
    for index in 0..<count { assign(first.advanced(by: index), to: domain, &cpu, &machine) }
    return first
  }

  /// The owner gives a frame back: it stays the owner's until the last reference is gone.
  mutating func release(_ frame: MPN, _ machine: inout MachineState) {
    change(frame) { $0.isReleased = true }
    if self[frame].totalCount == 0 { free(frame, &machine) }
  }

  mutating func free(_ frame: MPN, _ machine: inout MachineState) {
    guard let domain = owner(of: frame, machine) else { return }
    if !self[frame].owner.isShared { gained[domain, default: 0] -= 1 }
    withdrawFromDevices(frame, of: domain, &machine)
    let isAway = isAway(domain, machine)
    let clock = clock(of: domain, machine)
    let former = isAway ? domain : machine.domain
    set(frame, Frame())
    change(frame) {
      $0.owner = .nobody
      $0.former = former
      $0.droppedAt = clock
    }
    if dead.contains(domain) {
      machine.memory.clear(frame)
      machine.contents?[frame] = 0
    }
    if notesTables, let page = machine.physmap.physical(frame) { freedPages.append(page) }
    if isAway { freedAway[domain, default: []].append(frame) } else { machine.physmap.remove(frame) }
    heap.append(frame)
  }

  /// A frame of the hypervisor's becomes one of a domain's that no trace names, or is taken back.
  mutating func setExtra(_ frame: MPN, of domain: DomainID, _ isOwned: Bool, _ machine: inout MachineState) {
    if !isOwned { withdrawFromDevices(frame, of: domain, &machine) }
    set(frame, Frame())
    change(frame) { $0.owner = isOwned ? .domain(domain) : .nobody }
    followType(frame, &machine)
    gained[domain, default: 0] += isOwned ? 1 : -1
    noteExtra(of: domain, isOwned)
  }

  mutating func noteExtra(of domain: DomainID, _ isOwned: Bool) { extras[domain, default: 0] += isOwned ? 1 : -1 }
}
