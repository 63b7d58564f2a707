internal import Paging

/// What devices reach beside their own domain's memory, and what they must never reach.
extension Xen {
  /// What a domain's devices may do with a frame that is granted to it: what mappings for devices hold references for.
  func grantedDeviceAccess(_ frame: MPN, to domain: DomainID) -> IOMMU.Access {
    var access: IOMMU.Access = []
    for mapping in (grantTables[domain]?.mappings ?? [:]).values where mapping.flags.contains(.device) {
      guard grantTables[mapping.granter]?.active[mapping.reference]?.frame == frame else { continue }
      access.insert(.read)
      if !mapping.flags.contains(.readOnly) { access.insert(.write) }
    }
    return access
  }

  /// Brings the IOMMU's table up to a domain's mappings of a granted frame. A frame of its own follows its type alone.
  mutating func followGrants(of frame: MPN, to domain: DomainID, _ machine: inout MachineState) {
    guard frames.devices.contains(domain), !frames.isOwned(frame, by: domain, machine) else { return }
    frames.setDeviceAccess(grantedDeviceAccess(frame, to: domain), to: frame, of: domain, &machine)
  }

  /// Every frame of a domain with devices is in its table as its type has it; no other frame is, but by a grant; and the
  /// IOTLB has nothing that the tables have not.
  borrowing func violatedDevices(_ machine: borrowing MachineState) -> String? {
    if let problem = frames.iommu.violatedTables(machine.memory) { return problem }
    for domain in frames.devices {
      for frame in frames.known where frames.isOwned(frame, by: domain, machine) {
        let access = frames.iommu.entry(frame.raw, of: domain, machine.memory)?.access ?? []
        if access != frames.deviceAccess(frame) {
          return "devices of domain \(domain.raw) may \(access) with its frame \(String(frame.raw, radix: 16))"
        }
      }
      for page in frames.iommu.entries(of: domain, machine.memory) {
        guard let entry = frames.iommu.entry(page, of: domain, machine.memory) else { continue }
        if frames.isOwned(entry.frame, by: domain, machine) { continue }
        if !grantedDeviceAccess(entry.frame, to: domain).isSuperset(of: entry.access) {
          return "devices of domain \(domain.raw) reach the frame \(String(page, radix: 16)), which is another's"
        }
      }
    }
    for (domain, page, entry) in frames.iommu.cachedEntries() {
      let known = frames.iommu.entry(page, of: domain, machine.memory)
      if known?.frame != entry.frame || known?.access.isSuperset(of: entry.access) != true {
        return "the IOTLB has the page \(String(page, radix: 16)) of domain \(domain.raw), which its table has not"
      }
    }
    return nil
  }
}
