internal import Paging

/// The frames of a grant table, and its version.
extension Xen {
  /// `GNTTABOP_setup_table`: the table grows; the domain hears of its frames.
  mutating func setUp(
    _ count: Int, of domain: DomainID, _ result: inout HypercallResult, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) throws(XenError) {
    guard count <= GrantTable.maximumFrames else {
      result.parts = [HypercallResult(GrantStatus.generalError.rawValue)]
      return
    }
    try growTable(of: domain, to: count, &cpu, &machine)
    result.parts = [HypercallResult()]
    result.frames = Array(grantTables[domain]?.frames.prefix(count) ?? [])
  }

  /// `GNTTABOP_get_status_frames`.
  func statusFrames(_ count: Int, of domain: DomainID, _ result: inout HypercallResult) {
    let known = grantTables[domain]?.statusFrames ?? []
    guard count <= known.count else {
      result.parts = [HypercallResult(GrantStatus.generalError.rawValue)]
      return
    }
    result.parts = [HypercallResult()]
    result.frames = Array(known.prefix(count))
  }

  mutating func growTable(
    of domain: DomainID, to count: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    var table = grantTables[domain] ?? GrantTable()
    // Half a table is a smaller table.
    defer { if !table.frames.isEmpty { grantTables[domain] = table } }
    while table.frames.count < count {
      guard let frame = frames.share(with: domain, &cpu, &machine) else { throw .outOfMemory }
      table.frames.append(frame)
      do throws(XenError) {
        try addStatusFrames(to: &table, of: domain, &cpu, &machine)
      } catch {
        table.frames.removeLast()
        frames.unshare(frame, &machine)
        throw error
      }
    }
  }

  private mutating func addStatusFrames(
    to table: inout GrantTable, of domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    while table.statusFrames.count < table.statusFramesNeeded {
      guard let frame = frames.share(with: domain, &cpu, &machine) else { throw .outOfMemory }
      table.statusFrames.append(frame)
    }
  }

  /// `GNTTABOP_set_version`. The reserved entries keep what they say, all others are empty; none of those may be in use,
  /// and nobody may have a mapping of the status frames that go (XSA-255).
  mutating func setVersion(
    _ version: Int, of domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    guard version == 1 || version == 2 else { throw .invalid }
    guard var table = grantTables[domain], table.version != version else { return }
    let reserved = GrantTable.reservedEntries
    guard table.active.keys.allSatisfy({ $0 < reserved }) else { throw .busy }
    let kept = (0..<reserved).map { reference in
      var entry = grantEntry(reference, of: table, machine)
      // Version 1 has the flags in use beside the others.
      entry.flags.subtract([.reading, .writing])
      return (entry, grantStatus(reference, of: table, machine).intersection([.reading, .writing]))
    }
    let gone = table.statusFrames
    if version == 1 {
      guard gone.allSatisfy({ frames.isShareUnused($0) }) else { throw .busy }
      table.statusFrames = []
    }
    table.version = version
    try addStatusFrames(to: &table, of: domain, &cpu, &machine)
    for frame in table.frames { machine.memory.clear(frame) }
    for (reference, (entry, status)) in kept.enumerated() {
      setGrantEntry(entry, reference, of: table, &machine)
      setGrantStatus(status, true, reference, of: table, &machine)
    }
    grantTables[domain] = table
    if version == 1 { for frame in gone { frames.unshare(frame, &machine) } }
  }
}
