internal import Paging

/// `GNTTABOP_map_grant_ref` (`map_grant_ref` of common/grant_table.c).
extension Xen {
  mutating func map(
    _ map: GrantCall.Map, from domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> HypercallResult {
    do throws(GrantStatus) {
      guard !map.flags.isDisjoint(with: [.device, .host]) else { throw .badReference }
      guard domains[map.granter] != nil else { throw .badDomain }
      guard grantTables[domain]?.hasRoomForMapping == true else { throw .noDeviceSpace }
      let frame = try use(
        map.reference, of: map.granter, isReadOnly: map.flags.contains(.readOnly), kinds: map.flags, for: domain,
        &machine)
      do throws(GrantStatus) {
        try takeReferences(map, frame, from: domain, &cpu, &machine)
      } catch {
        endUse(map.reference, of: map.granter, map.flags, &machine)
        throw error
      }
      let mapping = GrantMapping(granter: map.granter, reference: map.reference, flags: map.flags)
      var result = HypercallResult()
      let handle = grantTables[domain]?.addMapping(mapping) ?? 0
      result.handle = handle
      result.name = "handle \(handle)"
      followGrants(of: frame, to: domain, &machine)
      // What a device is to be told (`dev_bus_addr`).
      result.frames = [frame]
      machine.counters.grantMaps += 1
      return result
    } catch {
      return HypercallResult(error.rawValue)
    }
  }

  /// Counts a use of an entry that lets the domain do so, and tells the granter; returns the frame.
  mutating func use(
    _ reference: Int, of granter: DomainID, isReadOnly: Bool, kinds: GrantMapFlags, for domain: DomainID,
    mapping: Bool = true, _ machine: inout MachineState
  ) throws(GrantStatus) -> MPN {
    guard let table = grantTables[granter], reference < table.count else { throw .badReference }
    let known = table.active[reference]
    if let known, known.domain != domain || known.isFull { throw .generalError }
    if known == nil || !isReadOnly && known?.writes == 0 {
      let entry = grantEntry(reference, of: table, machine)
      let mask: GrantFlags = mapping ? [.type, .subPage] : .type
      if known == nil && (entry.flags.intersection(mask) != .permitAccess || entry.domain != domain) {
        throw .generalError
      }
      if !isReadOnly && entry.flags.contains(.readOnly) { throw .generalError }
      // What was mapped before stays what it was, whatever the entry names by now.
      if known == nil && !frames.isOwned(entry.frame, by: granter, machine) { throw .badPage }
      setGrantStatus(isReadOnly ? .reading : [.reading, .writing], true, reference, of: table, &machine)
    }
    var active = known ?? ActiveGrant(domain: domain, frame: grantEntry(reference, of: table, machine).frame)
    active.count(kinds, 1)
    grantTables[granter]?.active[reference] = active
    return active.frame
  }

  /// A use ends; the granter may see that none is left.
  mutating func endUse(
    _ reference: Int, of granter: DomainID, _ kinds: GrantMapFlags, _ machine: inout MachineState
  ) {
    guard let table = grantTables[granter], var active = table.active[reference] else { return }
    active.count(kinds, -1)
    grantTables[granter]?.active[reference] = active.isUnused ? nil : active
    if active.writes == 0 { setGrantStatus(.writing, false, reference, of: table, &machine) }
    if active.isUnused { setGrantStatus(.reading, false, reference, of: table, &machine) }
    reap(granter, &machine)
  }

  /// The references of a mapping: one for the processor's, which the entry then holds, and one for devices.
  private mutating func takeReferences(
    _ map: GrantCall.Map, _ frame: MPN, from domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(GrantStatus) {
    let isReadOnly = map.flags.contains(.readOnly)
    var taken = 0
    do throws(XenError) {
      for kind in [GrantMapFlags.device, .host] where map.flags.contains(kind) {
        try frames.getGranted(frame, isReadOnly: isReadOnly, of: map.granter, &cpu, &machine)
        taken += 1
      }
      if map.flags.contains(.host) { try enter(map, frame, domain, cpu.index, &machine) }
    } catch {
      for _ in 0..<taken { frames.putGranted(frame, isReadOnly: isReadOnly, &machine) }
      throw .generalError
    }
  }

  /// Writes the entry of a mapping; what was there loses its references (`create_grant_pv_mapping`).
  private mutating func enter(
    _ map: GrantCall.Map, _ frame: MPN, _ domain: DomainID, _ cpu: Int, _ machine: inout MachineState
  ) throws(XenError) {
    guard let place = grantedPlace(map.address, map.flags, domain, cpu, machine) else { throw .invalid }
    let old = PageTableEntry<MachineSpace>(machine.memory.read(place))
    let new = frames.adjusted(Self.grantedEntry(frame, map.flags), level: 1)
    machine.memory.write(place, new.raw)
    frames.putEntry(old, level: 1, of: place.page, &machine)
    changed.append(Change(place: place, old: old.raw, new: new.raw))
  }

  /// The entry that maps a granted frame (`grant_to_pte_flags`).
  static func grantedEntry(_ frame: MPN, _ flags: GrantMapFlags) -> PageTableEntry<MachineSpace> {
    var entry: EntryFlags = [.present, .accessed, .dirty, .noExecute]
    if flags.contains(.application) { entry.insert(.user) }
    if !flags.contains(.readOnly) { entry.insert(.writable) }
    return PageTableEntry(frame: frame, entry)
  }

  /// Where the level-1 entry of a mapping is, nil if it is none that the domain has in use.
  func grantedPlace(
    _ address: UInt64, _ flags: GrantMapFlags, _ domain: DomainID, _ cpu: Int, _ machine: borrowing MachineState
  ) -> MachineAddress? {
    let place: MachineAddress?
    if flags.contains(.containsEntry) {
      // A part of an entry and a part of its neighbour are no entry (XSA-227).
      place = address & 7 == 0 ? MachineAddress(address) : nil
    } else {
      place = self.place(of: VirtualAddress(address), domain, cpu, machine)
    }
    guard let place, frames.isLevelOneEntry(place, of: domain, machine) else { return nil }
    return place
  }
}
