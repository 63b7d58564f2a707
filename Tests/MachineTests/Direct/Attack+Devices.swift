import Paging

@testable import Machine

/// What the attacker's devices try.
extension Attack {
  /// It has devices of its own, which it lets loose on any page of the machine.
  mutating func takeDevices() {
    let runs = machine.physmap.regions.frames(of: machine.domain).map { $0.lowerBound..<$0.lowerBound + Self.ownPages }
    backend.xen.frames.addDevices(to: machine.domain, runs, &machine)
  }

  /// A device reaches a page, or is refused.
  mutating func transfer(_ dice: inout SplitMix64) -> String? {
    guard backend.xen.frames.devices.contains(machine.domain) else { return nil }
    let access: IOMMU.Access = dice.oneIn(2) ? .write : .read
    let page = randomFrame(&dice)
    let found = backend.xen.frames.iommu.translate(
      page, access, for: machine.domain, machine.memory, &machine.counters)
    guard let frame = found else { return nil }
    if access == .write && backend.xen.frames[frame].isTable { return "a device reached a page table" }
    if backend.xen.frames.isOwned(frame, by: machine.domain, machine) { return nil }
    let granted = backend.xen.grantedDeviceAccess(frame, to: machine.domain)
    return granted.isSuperset(of: access) ? nil : "a device reached frame \(String(frame.raw, radix: 16))"
  }
}
