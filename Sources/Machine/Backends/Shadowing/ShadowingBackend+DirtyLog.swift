internal import Paging

/// Dirty logging by write traces: the log is one more client of the pages.
extension ShadowingBackend where Self: ~Copyable {
  static func dirtyLogProblem(_ settings: Settings) -> String? {
    guard settings.dirtyLog.method != .writeProtection else { return nil }
    return "dirty-log.method=\(settings.dirtyLog.method.rawValue), which is for nested paging: "
      + "D bits of shadow entries are not the guest's alone; expected write-protect"
  }

  mutating func beganDirtyLog(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    for page in 0..<machine.ramPages { protect(PPN(page), &cpu, &machine) }
  }

  mutating func harvestDirtyLog(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    for page in machine.watchReleased() { protect(page, &cpu, &machine) }
  }

  /// Entries get the right back one by one, by a fault each, as KVM's do.
  mutating func endedDirtyLog(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {}
}
