internal import Paging

/// Frames that Xen shares with a domain, and entries that map a granted frame.
extension FrameTable {
  /// Takes a frame of the machine and shares it with a domain, writable for good, so that it becomes no table
  /// (`share_xen_page_with_guest`); nil if there is none. It is not of the domain's reservation.
  mutating func share(
    with domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> MPN? {
    guard let frame = allocate(for: domain, &cpu, &machine) else { return nil }
    gained[domain, default: 0] -= 1
    machine.memory.clear(frame)
    change(frame) { $0.owner = .shared(domain) }
    followType(frame, &machine)
    take(frame, as: .writable, &cpu, &machine)
    return frame
  }

  /// Whether nobody but Xen has a reference to a frame that it shares.
  func isShareUnused(_ frame: MPN) -> Bool { self[frame].totalCount == 1 }

  /// Xen lets go of a frame that it shared: it is free once nobody holds it.
  mutating func unshare(_ frame: MPN, _ machine: inout MachineState) {
    change(frame) { $0.isReleased = true }
    put(frame, &machine)
  }

  /// Whether a place is an entry of a validated level-1 table of the domain's.
  func isLevelOneEntry(
    _ place: MachineAddress, of domain: DomainID, _ machine: borrowing MachineState
  ) -> Bool {
    let frame = self[place.page]
    return isOwned(place.page, by: domain, machine) && frame.kind == .l1 && frame.isTable && frame.isValidated
  }

  /// Takes the references that a mapping of a granted frame relies on.
  mutating func getGranted(
    _ frame: MPN, isReadOnly: Bool, of granter: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    guard isOwned(frame, by: granter, machine), self[frame].totalCount < .max else { throw .invalid }
    if isReadOnly { return hold(frame) }
    try get(frame, as: .writable, for: granter, &cpu, &machine)
  }

  mutating func putGranted(_ frame: MPN, isReadOnly: Bool, _ machine: inout MachineState) {
    if isReadOnly { drop(frame, &machine) } else { put(frame, &machine) }
  }

  /// Whether a level-1 entry that lost its references mapped another domain's frame; then the CPUs that had it must be
  /// flushed before that frame serves anything else.
  mutating func takeForeignDrop() -> Bool {
    defer { hasDroppedForeign = false }
    return hasDroppedForeign
  }
}
