internal import Paging

/// A domain's reservation of memory: what it gives back, trades and, in the end, leaves.
extension FrameTable {
  /// Frames that a domain has, by what it was built with.
  func pages(of domain: DomainID, _ machine: borrowing MachineState) -> UInt64 {
    let built = domain == .guest ? Int(machine.ramPages) : 0
    return UInt64(built + (gained[domain] ?? 0))
  }

  /// `decrease_reservation` of one frame. It is reported as done even where references keep it.
  mutating func decrease(_ frame: MPN, for domain: DomainID, _ machine: inout MachineState) -> Bool {
    guard isOwned(frame, by: domain, machine) else { return false }
    if !self[frame].isReleased { release(frame, &machine) }
    return true
  }

  /// Whether a frame may be traded: it is the domain's, and nobody has a reference but its owner (`steal_page`).
  func isTradable(_ frame: MPN, for domain: DomainID, _ machine: borrowing MachineState) -> Bool {
    isOwned(frame, by: domain, machine) && !self[frame].isReleased && self[frame].isUnused
  }

  /// The domain is gone: pins and what an interrupted call holds go, and every frame, once nobody has a reference.
  mutating func destroy(_ domain: DomainID, bases: [MPN], _ machine: inout MachineState) {
    abandonInterrupted(&machine)
    for base in bases { put(base, &machine) }
    for frame in known where self[frame].isPinned && isOwned(frame, by: domain, machine) {
      do throws(XenError) { try unpin(frame, for: domain, &machine) } catch {
        preconditionFailure("a pin that is none")
      }
    }
    for frame in known where isOwned(frame, by: domain, machine) && !self[frame].isReleased {
      release(frame, &machine)
    }
  }
}
