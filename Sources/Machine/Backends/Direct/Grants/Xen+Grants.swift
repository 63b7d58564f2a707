internal import Paging

/// `grant_table_op`: a domain lets another use a frame of its own.
extension Xen {
  /// Each part has a status of its own; the hypercall itself fails only where it has no parts.
  mutating func grant(
    _ call: GrantCall, from domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> HypercallResult {
    guard domains[domain] != nil else { return HypercallResult(.noSuchDomain) }
    var result = HypercallResult()
    do throws(XenError) {
      if grantTables[domain] == nil { try growTable(of: domain, to: 1, &cpu, &machine) }
      switch call {
      case .map(let maps):
        for map in maps { result.parts.append(self.map(map, from: domain, &cpu, &machine)) }
      case .unmap(let unmaps): result.parts = unmap(unmaps, from: domain, &cpu, &machine)
      case .copy(let copies):
        for copy in copies { result.parts.append(self.copy(copy, from: domain, &cpu, &machine)) }
      case .setUp(let count, _): try setUp(count, of: domain, &result, &cpu, &machine)
      case .statusFrames(let count, _): statusFrames(count, of: domain, &result)
      case .setVersion(let version): try setVersion(version, of: domain, &cpu, &machine)
      case .getVersion: result.value = grantTables[domain]?.version ?? 1
      case .querySize: result.value = grantTables[domain]?.frames.count ?? 0
      case .grantAccess(let reference, let other, let frame, let isReadOnly):
        let flags: GrantFlags = isReadOnly ? [.permitAccess, .readOnly] : .permitAccess
        try store(GrantEntry(flags: flags, domain: other, frame: frame), reference, domain, &cpu, &machine)
      case .endAccess(let reference): try endAccess(reference, domain, &machine)
      }
    } catch {
      return HypercallResult(error)
    }
    return result
  }

  // MARK: Entries

  /// What an entry says at present.
  func grantEntry(_ reference: Int, of table: GrantTable, _ machine: borrowing MachineState) -> GrantEntry {
    let place = table.place(of: reference)
    let word = machine.memory.read(place)
    let frame = table.version == 1 ? word >> 32 : machine.memory.read(MachineAddress(place.raw + 8))
    return GrantEntry(
      flags: GrantFlags(rawValue: word & 0xffff), domain: DomainID(UInt16(truncatingIfNeeded: word >> 16)),
      frame: MPN(frame))
  }

  func setGrantEntry(
    _ entry: GrantEntry, _ reference: Int, of table: GrantTable, _ machine: inout MachineState
  ) {
    let place = table.place(of: reference)
    let header = entry.flags.rawValue | UInt64(entry.domain.raw) << 16
    machine.memory.write(place, table.version == 1 ? header | entry.frame.raw << 32 : header)
    if table.version == 2 { machine.memory.write(MachineAddress(place.raw + 8), entry.frame.raw) }
  }

  /// The flags in use, as the domain sees them.
  func grantStatus(_ reference: Int, of table: GrantTable, _ machine: borrowing MachineState) -> GrantFlags {
    let (place, shift) = table.status(of: reference)
    return GrantFlags(rawValue: machine.memory.read(place) >> shift & 0xffff)
  }

  func setGrantStatus(
    _ flags: GrantFlags, _ isSet: Bool, _ reference: Int, of table: GrantTable, _ machine: inout MachineState
  ) {
    let (place, shift) = table.status(of: reference)
    let word = machine.memory.read(place)
    let bits = flags.rawValue << shift
    machine.memory.write(place, isSet ? word | bits : word & ~bits)
  }

  // MARK: The domain's own stores

  /// A table that is too small grows first, as Linux's driver has it.
  private mutating func store(
    _ entry: GrantEntry, _ reference: Int, _ domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    while let table = grantTables[domain], reference >= table.count {
      guard table.frames.count < GrantTable.maximumFrames else { throw .noSpace }
      try growTable(of: domain, to: table.frames.count + 1, &cpu, &machine)
    }
    if let table = grantTables[domain] { setGrantEntry(entry, reference, of: table, &machine) }
  }

  private func endAccess(
    _ reference: Int, _ domain: DomainID, _ machine: inout MachineState
  ) throws(XenError) {
    guard let table = grantTables[domain], reference < table.count else { throw .invalid }
    guard grantStatus(reference, of: table, machine).isDisjoint(with: [.reading, .writing]) else { throw .busy }
    setGrantEntry(GrantEntry(flags: [], domain: DomainID(0), frame: MPN(0)), reference, of: table, &machine)
  }
}
