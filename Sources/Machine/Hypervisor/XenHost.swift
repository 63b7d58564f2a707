internal import Paging

/// One machine under Xen that several domains share, each with a trace of its own: memory, the frame table, and what
/// frames hold.
///
///     let host = XenHost()
///     let first = try Simulation(configuration, on: host)
///     let second = try Simulation(configuration, on: host)
///
/// A domain has processors to itself, as with every virtual CPU pinned to a CPU of its own, so that a change of domain costs
/// nothing and flushes nothing. What the domains share is with the one that works, one at a time.
public final class XenHost {
  private var memory = MachineMemory()
  private var regions = MachineRegions()
  private var xen = Xen()
  private var contents: FrameContents?
  private var domains: UInt16 = 0

  public init() {}

  /// The number of the next domain.
  func nextDomain() -> DomainID {
    defer { domains += 1 }
    return DomainID(domains)
  }

  /// A domain is there: the settings of the first one are the machine's.
  func join(_ backend: inout DirectBackend, _ domain: DomainID) {
    if domain == .guest { swap(&xen, &backend.xen) }
    xen.domains[domain] = Xen.Domain()
    xen.frames.clocks[domain] = 0
  }

  func lend(_ processor: inout Processor<DirectBackend>) {
    lend(&processor.backend, &processor.machine, &processor.cpus.running)
    processor.cpus.running.forgetRecent()
  }

  func takeBack(_ processor: inout Processor<DirectBackend>) {
    processor.backend.attachAll(&processor.cpus.running, &processor.machine)
    takeBack(&processor.backend, &processor.machine)
  }

  /// Lends the machine to a domain, whose processors first carry out the flush that it may owe to others.
  func lend(_ backend: inout DirectBackend, _ machine: inout MachineState, _ cpu: inout VirtualCPU) {
    exchange(&backend, &machine)
    for frame in backend.xen.frames.freedAway.removeValue(forKey: machine.domain) ?? [] {
      machine.physmap.remove(frame)
    }
    if backend.xen.frames.owedFlushes.remove(machine.domain) != nil { machine.flushAllCPUs(&cpu) }
  }

  /// Takes the machine back.
  func takeBack(_ backend: inout DirectBackend, _ machine: inout MachineState) {
    backend.xen.frames.built[machine.domain] = machine.ramPages
    backend.xen.frames.clocks[machine.domain] = machine.flushClock
    exchange(&backend, &machine)
  }

  private func exchange(_ backend: inout DirectBackend, _ machine: inout MachineState) {
    swap(&xen, &backend.xen)
    swap(&memory, &machine.memory)
    swap(&regions, &machine.physmap.regions)
    swap(&contents, &machine.contents)
  }
}
