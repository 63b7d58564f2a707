internal import Paging

/// Xen as a paravirtual guest meets it: domains, their frames, and the hypercalls by which they ask for changes.
struct Xen: ~Copyable {
  var frames = FrameTable()
  var domains: [DomainID: Domain] = [.guest: Domain()]
  /// What domains let each other use; made when a domain first makes use of it.
  var grantTables: [DomainID: GrantTable] = [:]
  /// M2P as the guests may have it: 1 + a pseudo-physical page, where somebody has said so; nobody relies on it.
  private var pseudoPhysical = PageMap<UInt64>()
  /// Entries that hypercalls have changed since somebody last looked.
  var changed: [Change] = []
  /// Requests of the hypercall under way that tried to change an entry, and those that were refused.
  var updates = (tried: 0, refused: 0)
  /// Times that a hypercall was interrupted and continued.
  var continuations: UInt64 = 0
  /// Tables of the domain that runs which it may write to at present.
  var detached = DetachedTables()
  /// An interrupted hypercall is not continued; whoever looks finds it half done.
  var leavesInterrupted = false

  struct Change {
    var place: MachineAddress
    var old: UInt64
    var new: UInt64
  }

  /// One domain.
  struct Domain {
    /// Frames that it may have, nil for those that it was built with: it has a trace of its own.
    var maximum: UInt64?
    /// The base table of each CPU, and, of a kernel in ring 3, that of its processes.
    var bases: [Int: MPN] = [:]
    var userBases: [Int: MPN] = [:]
    /// Where a domain that is not the trace's guest has its pages; it keeps that itself.
    var pages: [PPN: MPN] = [:]
  }

  mutating func takeContinuations() -> UInt64 {
    defer { continuations = 0 }
    return continuations
  }

  func maximum(of domain: DomainID, _ machine: borrowing MachineState) -> UInt64 {
    let built = frames.isOnHost ? machine.ramPages : frames.builtPages(domain, machine)
    return domains[domain]?.maximum ?? built + UInt64(frames.extras[domain] ?? 0)
  }

  /// What M2P says of a frame.
  func physical(_ frame: MPN, _ machine: borrowing MachineState) -> PPN? {
    if let said = pseudoPhysical[frame.raw], said != 0 { return PPN(said - 1) }
    return machine.physmap.physical(frame)
  }

  mutating func setPhysical(_ page: UInt64, of frame: MPN) { pseudoPhysical.set(frame.raw, page &+ 1) }

  /// Carries a hypercall out.
  mutating func call(
    _ call: Hypercall, from domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> HypercallResult {
    defer {
      flushForeign(&cpu, &machine)
      frames.returnFrames(&cpu, &machine)
    }
    switch call {
    case .mmuUpdate(let updates): return update(updates, from: domain, &cpu, &machine)
    case .updateMapping(let update): return updateMapping(update, from: domain, &cpu, &machine)
    case .mmuExtended(let calls, let pages): return extended(calls, pages: pages, from: domain, &cpu, &machine)
    case .memory(let call): return reserve(call, for: domain, &cpu, &machine)
    case .grant(let call): return grant(call, from: domain, &cpu, &machine)
    case .multicall(let calls): return multicall(calls, from: domain, &cpu, &machine)
    case .iret: return HypercallResult()
    case .frameInfo(let frame): return frameInfo(frame, for: domain, machine)
    case .destroy:
      destroy(domain, &cpu, &machine)
      return HypercallResult()
    case .unknown: return HypercallResult(.notImplemented)
    }
  }

  /// An entry that mapped another domain's frame went, other than by its grant: the frame must not stay in the caller's TLBs.
  mutating func flushForeign(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    if frames.takeForeignDrop() { machine.flushAllCPUs(&cpu) }
  }

  /// Each entry's failure is its own; `iret` ends the list, and a multicall may not hold another.
  private mutating func multicall(
    _ calls: [Hypercall], from domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> HypercallResult {
    var result = HypercallResult()
    for entry in calls {
      if case .multicall = entry {
        result.parts.append(HypercallResult(.invalid))
        continue
      }
      result.parts.append(call(entry, from: domain, &cpu, &machine))
      // The guest is elsewhere by now (XSA-213).
      if case .iret = entry { break }
    }
    return result
  }

  /// Carries out what an interrupt may stop half way, until it is done.
  mutating func continuing(
    _ body: (inout FrameTable) throws(XenError) -> Void
  ) throws(XenError) {
    while true {
      do throws(XenError) {
        return try body(&frames)
      } catch {
        guard error == .restart, !leavesInterrupted else { throw error }
        continuations += 1
      }
    }
  }

  /// The type of a frame as `XEN_DOMCTL_PFINFO_…` names it.
  private func frameInfo(
    _ frame: MPN, for domain: DomainID, _ machine: borrowing MachineState
  ) -> HypercallResult {
    var result = HypercallResult()
    guard frames.isOwned(frame, by: domain, machine) else {
      result.name = "xtab"
      return result
    }
    let state = frames[frame]
    result.name = state.isTable ? "l\(state.kind.level ?? 0)tab" : "notab"
    if state.isPinned { result.name? += ",pinned" }
    return result
  }

  mutating func destroy(_ domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard let known = domains[domain] else { return }
    let bases = known.bases.keys.sorted().compactMap { known.bases[$0] }
    let userBases = known.userBases.keys.sorted().compactMap { known.userBases[$0] }
    // From here on what becomes free is scrubbed.
    frames.dead.insert(domain)
    frames.removeDevices(of: domain, &machine)
    releaseGrants(of: domain, &machine)
    frames.destroy(domain, bases: bases + userBases, &machine)
    machine.flushAllCPUs(&cpu)
    domains[domain] = nil
    reap(domain, &machine)
  }
}
