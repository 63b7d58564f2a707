internal import Paging

/// `GNTTABOP_unmap_grant_ref`, and what a domain leaves when it is destroyed.
extension Xen {
  /// What has been taken out of the tables and is yet to be flushed, before references go.
  private struct Unmapped {
    var mapping: GrantMapping
    var frame: MPN
    var flags: GrantMapFlags
  }

  /// Entries first, then one flush for all of them, then the references (`unmap_common`, `unmap_common_complete`).
  mutating func unmap(
    _ unmaps: [GrantCall.Unmap], from domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> [HypercallResult] {
    var parts: [HypercallResult] = []
    var unmapped: [Unmapped] = []
    for unmap in unmaps {
      do throws(GrantStatus) {
        if let done = try self.unmap(unmap, from: domain, cpu.index, &machine) { unmapped.append(done) }
        parts.append(HypercallResult())
      } catch {
        parts.append(HypercallResult(error.rawValue))
      }
    }
    if !unmapped.isEmpty { frames.flushCPUs(of: domain, &cpu, &machine) }
    for done in unmapped { complete(done, &machine) }
    return parts
  }

  private mutating func unmap(
    _ unmap: GrantCall.Unmap, from domain: DomainID, _ cpu: Int, _ machine: inout MachineState
  ) throws(GrantStatus) -> Unmapped? {
    guard var mapping = grantTables[domain]?.mappings[unmap.handle] else { throw .badHandle }
    guard let active = grantTables[mapping.granter]?.active[mapping.reference] else { throw .badDomain }
    let flags = mapping.flags
    let endsDevice = flags.contains(.device) && unmap.busAddress != 0
    guard !endsDevice || unmap.busAddress == active.frame.address.raw else { throw .generalError }
    var done: GrantMapFlags = []
    if unmap.address != 0 && flags.contains(.host) {
      try leave(unmap.address, active.frame, flags, domain, cpu, &machine)
      done.insert(.host)
    }
    if endsDevice { done.insert(.device) }
    if done.isEmpty { return nil }
    mapping.flags.subtract(done)
    grantTables[domain]?.setMapping(mapping, of: unmap.handle)
    followGrants(of: active.frame, to: domain, &machine)
    return Unmapped(mapping: mapping, frame: active.frame, flags: done.union(flags.intersection(.readOnly)))
  }

  /// Takes an entry out of its table. It must map the frame, with the right that the mapping has (XSA-234).
  private mutating func leave(
    _ address: UInt64, _ frame: MPN, _ flags: GrantMapFlags, _ domain: DomainID, _ cpu: Int,
    _ machine: inout MachineState
  ) throws(GrantStatus) {
    guard let place = grantedPlace(address, flags, domain, cpu, machine) else { throw .generalError }
    let old = PageTableEntry<MachineSpace>(machine.memory.read(place))
    let isWritable = !flags.contains(.readOnly)
    guard old.isPresent, old.frame == frame, old.isWritable == isWritable else { throw .generalError }
    machine.memory.write(place, 0)
    changed.append(Change(place: place, old: old.raw, new: 0))
  }

  private mutating func complete(_ done: Unmapped, _ machine: inout MachineState) {
    let isReadOnly = done.flags.contains(.readOnly)
    for kind in [GrantMapFlags.device, .host] where done.flags.contains(kind) {
      frames.putGranted(done.frame, isReadOnly: isReadOnly, &machine)
    }
    endUse(done.mapping.reference, of: done.mapping.granter, done.flags, &machine)
    machine.counters.grantUnmaps += 1
  }

  // MARK: The end of a domain

  /// Ends what a domain uses of others. The processor's references go with its tables (`gnttab_release_mappings`).
  mutating func releaseGrants(of domain: DomainID, _ machine: inout MachineState) {
    let mappings = grantTables[domain]?.mappings ?? [:]
    for handle in mappings.keys.sorted() {
      guard let mapping = mappings[handle] else { continue }
      if mapping.flags.contains(.device),
        let active = grantTables[mapping.granter]?.active[mapping.reference]
      {
        frames.putGranted(active.frame, isReadOnly: mapping.flags.contains(.readOnly), &machine)
      }
      grantTables[domain]?.setMapping(GrantMapping(granter: mapping.granter, reference: 0, flags: []), of: handle)
      endUse(mapping.reference, of: mapping.granter, mapping.flags, &machine)
    }
  }

  /// The table of a destroyed domain goes once nobody uses an entry of it.
  mutating func reap(_ domain: DomainID, _ machine: inout MachineState) {
    guard domains[domain] == nil, let table = grantTables[domain], table.active.isEmpty else { return }
    grantTables[domain] = nil
    for frame in table.frames + table.statusFrames { frames.unshare(frame, &machine) }
  }

  /// A domain is destroyed, and others still use what it has granted.
  func isZombie(_ domain: DomainID) -> Bool { domains[domain] == nil && grantTables[domain] != nil }
}
