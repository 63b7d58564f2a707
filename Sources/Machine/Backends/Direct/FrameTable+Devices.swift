internal import Paging

/// What the devices of domains may reach: the IOMMU's table follows the types of frames (XSA-288).
///
/// A frame is in its domain's table exactly while its last type is writable, whether or not anybody uses it as such, or
/// while it has had no type yet: new frames are as good as writable, since Xen gives each one that type once. A device
/// can so write to no page table, nor to one that was a table and that nobody has mapped writable since. Devices of a
/// paravirtual guest name machine pages.
extension FrameTable {
  /// A domain has devices: all of its frames are in its table.
  mutating func addDevices(to domain: DomainID, _ runs: [Range<UInt64>], _ machine: inout MachineState) {
    devices.insert(domain)
    if isOnHost { deviceTables = machine.host.frames.count >> 9 + 4 }
    for run in runs { map(run, of: domain, &machine) }
    for frame in known { followType(frame, &machine) }
  }

  /// Maps a run of pages to the frames of the same numbers, by the largest pages that there are.
  private mutating func map(_ run: Range<UInt64>, of domain: DomainID, _ machine: inout MachineState) {
    var page = run.lowerBound
    while page < run.upperBound {
      let fits = { level in page % IOMMUTable.pages(level) == 0 && page + IOMMUTable.pages(level) <= run.upperBound }
      let level = fits(3) ? 3 : fits(2) ? 2 : 1
      set(page, level: level, IOMMU.Entry(frame: MPN(page), access: [.read, .write]), of: domain, &machine)
      page += IOMMUTable.pages(level)
    }
  }

  private mutating func set(
    _ page: UInt64, level: Int = 1, _ entry: IOMMU.Entry?, of domain: DomainID, _ machine: inout MachineState
  ) {
    var lent = machine.lendFrames(iommu.framesNeeded(page, of: domain, machine.memory))
    iommu.set(page, level: level, entry, of: domain, &lent, &machine.memory, &machine.counters)
    machine.takeBack(lent)
  }

  /// What the owner's devices may do with a frame.
  func deviceAccess(_ frame: MPN) -> IOMMU.Access {
    let state = self[frame]
    let isData = state.kind == .none || state.kind == .writable
    return isData && !state.owner.isShared ? [.read, .write] : []
  }

  /// Brings the owner's table up to the type that a frame has now.
  mutating func followType(_ frame: MPN, _ machine: inout MachineState) {
    guard !devices.isEmpty, let owner = owner(of: frame, machine), devices.contains(owner) else { return }
    setDeviceAccess(deviceAccess(frame), to: frame, of: owner, &machine)
  }

  /// An entry that changes is dropped from the IOTLB at once: nobody may rely on the change before.
  mutating func setDeviceAccess(
    _ access: IOMMU.Access, to frame: MPN, of domain: DomainID, _ machine: inout MachineState
  ) {
    let old = iommu.entry(frame.raw, of: domain, machine.memory)?.access ?? []
    guard old != access else { return }
    set(frame.raw, access.isEmpty ? nil : IOMMU.Entry(frame: frame, access: access), of: domain, &machine)
    if !old.isEmpty { iommu.flush(domain, &machine.counters) }
  }

  /// A frame is about to be somebody else's.
  mutating func withdrawFromDevices(_ frame: MPN, of domain: DomainID, _ machine: inout MachineState) {
    if devices.contains(domain) { setDeviceAccess([], to: frame, of: domain, &machine) }
  }

  mutating func removeDevices(of domain: DomainID, _ machine: inout MachineState) {
    if devices.remove(domain) != nil { machine.takeBack(iommu.remove(domain, &machine.counters)) }
  }
}
