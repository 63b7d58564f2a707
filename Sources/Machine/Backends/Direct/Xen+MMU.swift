internal import Paging

/// The hypercalls that change entries: `mmu_update` and `update_va_mapping`.
extension Xen {
  /// Whose frames a request may name: oneself, or another over whom the caller has the right, which none has here.
  private func owner(named domain: DomainID, for caller: DomainID) throws(XenError) -> DomainID {
    switch domain {
    case .oneself: return caller
    case .io, .xen: return domain
    case caller: throw .noSuchDomain
    default:
      guard domains[domain] != nil else { throw .noSuchDomain }
      throw .notPermitted
    }
  }

  /// Replaces an entry of the running domain's. Returns whether every CPU must be flushed.
  mutating func update(
    _ place: MachineAddress, _ value: UInt64, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) -> Bool {
    defer { flushForeign(&cpu, &machine) }
    var flushes = false
    try continuing { (frames: inout FrameTable) throws(XenError) in
      flushes = try frames.update(place, value, for: machine.domain, &cpu, &machine)
    }
    return flushes
  }

  /// `mmu_update`: stops at the first request that fails; those before stay.
  mutating func update(
    _ updates: Hypercall.MMUUpdates, from domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> HypercallResult {
    var result = HypercallResult()
    var done = 0
    var flushes = false
    do throws(XenError) {
      if updates.tables != .oneself {
        guard domains[updates.tables] != nil else { throw .noSuchDomain }
        if updates.tables != domain { throw .notPermitted }
      }
      let pages = try owner(named: updates.pages, for: domain)
      for request in updates.requests {
        self.updates.tried += 1
        do throws(XenError) {
          if try update(request, pages: pages, from: domain, &cpu, &machine) { flushes = true }
        } catch {
          self.updates.refused += 1
          throw error
        }
        done += 1
      }
    } catch {
      result = HypercallResult(error)
    }
    if flushes { machine.flushAllCPUs(&cpu) }
    if updates.requests.count > 1 { result.done = done }
    return result
  }

  private mutating func update(
    _ request: (pointer: UInt64, value: UInt64), pages: DomainID, from domain: DomainID, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) throws(XenError) -> Bool {
    let place = MachineAddress(request.pointer & ~7)
    switch request.pointer & 7 {
    case 0, 2, 3:
      var flushes = false
      let keeps = request.pointer & 7 == 2
      let old = machine.memory.read(place)
      try continuing { (frames: inout FrameTable) throws(XenError) in
        flushes = try frames.update(
          place, request.value, keeping: keeps, pages: pages, for: domain, &cpu, &machine)
      }
      changed.append(Change(place: place, old: old, new: machine.memory.read(place)))
      return flushes
    case 1:
      guard frames.isOwned(place.page, by: domain, machine) else { throw .invalid }
      setPhysical(request.value, of: place.page)
      return false
    default: throw .notImplemented
    }
  }

  /// `update_va_mapping`: the level-1 entry that the present tables have for an address.
  mutating func updateMapping(
    _ update: Hypercall.MappingUpdate, from domain: DomainID, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) -> HypercallResult {
    updates.tried += 1
    do throws(XenError) {
      let pages = try owner(named: update.pages, for: domain)
      guard let place = place(of: update.address, domain, cpu.index, machine) else { throw .invalid }
      let old = machine.memory.read(place)
      try continuing { (frames: inout FrameTable) throws(XenError) in
        _ = try frames.update(place, update.value, pages: pages, for: domain, &cpu, &machine)
      }
      changed.append(Change(place: place, old: old, new: machine.memory.read(place)))
    } catch {
      updates.refused += 1
      return HypercallResult(error)
    }
    flush(update.flush, update.address, &cpu, &machine)
    return HypercallResult()
  }

  /// Where the level-1 entry for an address lies, nil if there is none that the guest may change.
  func place(
    of address: VirtualAddress, _ domain: DomainID, _ cpu: Int, _ machine: borrowing MachineState
  ) -> MachineAddress? {
    guard address.isCanonical(levels: 4), var table = domains[domain]?.bases[cpu] else { return nil }
    if frames.isXenSlot(Int(address.tableIndex(level: 4)), level: 4) { return nil }
    for level in stride(from: 4, to: 1, by: -1) {
      let entry = PageTableEntry<MachineSpace>(machine.memory.read(table.entryAddress(address, level: level)))
      guard entry.pointsToTable(level: level) else { return nil }
      table = entry.frame
    }
    guard frames[table].kind == .l1, frames[table].isTable else { return nil }
    return table.entryAddress(address, level: 1)
  }

  private func flush(
    _ flush: Hypercall.Flush, _ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    switch flush.extent {
    case .nothing: return
    case .everything where !flush.isGlobal: cpu.flushAll()
    case .page where !flush.isGlobal: cpu.invalidate(address.page)
    // Other CPUs are flushed when they run next, and of everything, which is more than they must drop.
    default: machine.flushAllCPUs(&cpu)
    }
  }
}
