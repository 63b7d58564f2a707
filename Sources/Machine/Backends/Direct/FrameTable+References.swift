internal import Paging

/// References and pins: who holds a frame, and what type that asks for.
extension FrameTable {
  /// Takes a general reference.
  mutating func hold(_ frame: MPN) { change(frame) { $0.totalCount += 1 } }

  /// Gives a general reference back.
  mutating func drop(_ frame: MPN, _ machine: inout MachineState) {
    precondition(self[frame].totalCount > 0, "a reference that was not taken")
    change(frame) { $0.totalCount -= 1 }
    if self[frame].totalCount == 0 && self[frame].isReleased { free(frame, &machine) }
  }

  /// Takes a reference of a type, and a general one. A change of type flushes TLBs that may still have the frame as what
  /// it was, and a table is validated before anybody may rely on it.
  mutating func get(
    _ frame: MPN, as kind: Frame.Kind, for domain: DomainID, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) throws(XenError) {
    guard isOwned(frame, by: domain, machine) else { throw .invalid }
    let old = self[frame]
    if old.typeCount > 0 && old.kind != kind || old.typeCount == .max || old.totalCount == .max { throw .invalid }
    // Who was interrupted has the reference already, and goes on.
    if !old.isPartial { take(frame, as: kind, &cpu, &machine) }
    guard let level = kind.level, !self[frame].isValidated else { return }
    do throws(XenError) {
      try validate(frame, level: level, for: domain, &cpu, &machine)
    } catch {
      if error == .restart {
        interrupted = frame
        throw error
      }
      change(frame) {
        $0.typeCount -= 1
        $0.kind = .none
        $0.endPartial()
      }
      settle(frame)
      followType(frame, &machine)
      drop(frame, &machine)
      throw error
    }
    change(frame) {
      $0.isValidated = true
      $0.endPartial()
    }
    settle(frame)
    if notesTables { newTables.append(frame) }
  }

  mutating func takeNewTables() -> [MPN] {
    defer { newTables = [] }
    return newTables
  }

  mutating func takeFreedPages() -> [PPN] {
    defer { freedPages = [] }
    return freedPages
  }

  mutating func settle(_ frame: MPN) {
    if interrupted == frame { interrupted = nil }
  }

  mutating func take(
    _ frame: MPN, as kind: Frame.Kind, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    let old = self[frame]
    // The reference first, the flush second: nobody else can get the frame as what it was in between.
    change(frame) {
      if $0.typeCount == 0 && $0.kind != kind {
        $0.kind = kind
        $0.isValidated = false
      }
      $0.typeCount += 1
      $0.totalCount += 1
    }
    if self[frame].kind != old.kind { followType(frame, &machine) }
    let changesType = old.typeCount == 0 && old.kind != kind && old.kind != .none
    if changesType, let owner = owner(of: frame, machine) { flush(owner, since: old.droppedAt, &cpu, &machine) }
  }

  /// Gives back a type reference and the general one. A table that nobody relies on lets go of all that it refers to.
  mutating func put(_ frame: MPN, _ machine: inout MachineState) {
    precondition(self[frame].typeCount > 0 && self[frame].totalCount > 0, "a reference that was not taken")
    let clock = owner(of: frame, machine).map { self.clock(of: $0, machine) } ?? machine.flushClock
    change(frame) {
      $0.typeCount -= 1
      if $0.typeCount == 0 { $0.droppedAt = clock }
    }
    let now = self[frame]
    if now.typeCount == 0, let level = now.kind.level, now.isValidated || now.isPartial {
      change(frame) {
        $0.isValidated = false
        $0.endPartial()
      }
      settle(frame)
      let accepted = now.isValidated ? 512 : Int(now.acceptedEntries)
      for index in 0..<accepted where !isXenSlot(index, level: level) {
        unlink(entry(frame, index, machine), level: level, at: frame.entryAddress(index: index))
        putEntry(entry(frame, index, machine), level: level, of: frame, &machine)
      }
      if now.holdsPartialTable { put(entry(frame, accepted, machine).frame, &machine) }
    }
    drop(frame, &machine)
  }

  mutating func pin(
    _ frame: MPN, level: Int, for domain: DomainID, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) throws(XenError) {
    if self[frame].isPinned { throw .invalid }
    try get(frame, as: Frame.Kind(level: level), for: domain, &cpu, &machine)
    change(frame) { $0.isPinned = true }
  }

  mutating func unpin(_ frame: MPN, for domain: DomainID, _ machine: inout MachineState) throws(XenError) {
    guard isOwned(frame, by: domain, machine), self[frame].isPinned else { throw .invalid }
    change(frame) { $0.isPinned = false }
    put(frame, &machine)
  }
}
