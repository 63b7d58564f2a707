internal import Paging

/// A domain's reservation of memory: what it gives back, trades and, in the end, leaves.
extension FrameTable {
  /// Frames that a domain has, by what it was built with.
  func pages(of domain: DomainID, _ machine: borrowing MachineState) -> UInt64 {
    UInt64(Int(builtPages(domain, machine)) + (gained[domain] ?? 0))
  }

  /// `decrease_reservation` of one frame. It is reported as done even where references keep it.
  mutating func decrease(_ frame: MPN, for domain: DomainID, _ machine: inout MachineState) -> Bool {
    guard isOwned(frame, by: domain, machine), !self[frame].owner.isShared else { return false }
    if !self[frame].isReleased { release(frame, &machine) }
    return true
  }

  /// Whether a frame may be traded: it is the domain's, and nobody has a reference but its owner (`steal_page`).
  func isTradable(_ frame: MPN, for domain: DomainID, _ machine: borrowing MachineState) -> Bool {
    isOwned(frame, by: domain, machine) && !self[frame].isReleased && self[frame].isUnused
  }

  /// The domain is gone: pins and what an interrupted call holds go, and every frame, once nobody has a reference.
  /// What it held is scrubbed before another domain gets it.
  mutating func destroy(_ domain: DomainID, bases: [MPN], _ machine: inout MachineState) {
    abandonInterrupted(by: domain, &machine)
    for base in bases { put(base, &machine) }
    for frame in known where self[frame].isPinned && isOwned(frame, by: domain, machine) {
      do throws(XenError) { try unpin(frame, for: domain, &machine) } catch {
        preconditionFailure("a pin that is none")
      }
    }
    for frame in known where isOwned(frame, by: domain, machine) && !self[frame].isReleased {
      release(frame, &machine)
    }
    // And those that nothing has ever happened to.
    for frames in machine.physmap.regions.frames(of: domain) {
      for number in frames where isOwned(MPN(number), by: domain, machine) && !self[MPN(number)].isReleased {
        release(MPN(number), &machine)
      }
    }
  }
}
