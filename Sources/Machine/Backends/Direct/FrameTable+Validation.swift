internal import Paging

/// The entries of a table, checked one by one as it becomes one, in pieces if an interrupt comes.
extension FrameTable {
  func entry(_ frame: MPN, _ index: Int, _ machine: borrowing MachineState) -> PageTableEntry<MachineSpace> {
    PageTableEntry(machine.memory.read(frame.entryAddress(index: index)))
  }

  /// Takes the references of all entries of a table, or none; an interrupt leaves it at some entry.
  mutating func validate(
    _ frame: MPN, level: Int, for domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    let start = Int(self[frame].acceptedEntries)
    let holdsPartialTable = self[frame].holdsPartialTable
    for index in start..<512 {
      var failure: XenError?
      // What goes on in a table below counts there.
      let isInterrupted = !(index == start && holdsPartialTable) && takesInterrupt()
      if isInterrupted {
        failure = .restart
      } else {
        do throws(XenError) {
          try accept(frame, index, level: level, for: domain, &cpu, &machine)
        } catch {
          failure = error
        }
      }
      guard let failure else { continue }
      if failure == .restart {
        change(frame) {
          $0.isPartial = true
          $0.acceptedEntries = UInt16(index)
          $0.holdsPartialTable = !isInterrupted
        }
      } else {
        for accepted in 0..<index where !isXenSlot(accepted, level: level) {
          unlink(entry(frame, accepted, machine), level: level, at: frame.entryAddress(index: accepted))
          putEntry(entry(frame, accepted, machine), level: level, of: frame, &machine)
        }
      }
      throw failure
    }
  }

  /// Takes the references of one entry, and leaves it as Xen has it.
  mutating func accept(
    _ frame: MPN, _ index: Int, level: Int, for domain: DomainID, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) throws(XenError) {
    if isXenSlot(index, level: level) { return machine.memory.write(frame.entryAddress(index: index), 0) }
    let old = entry(frame, index, machine)
    try getEntry(old, level: level, pages: domain, for: domain, &cpu, &machine)
    link(old, level: level, at: frame.entryAddress(index: index))
    let new = adjusted(old, level: level)
    if new != old { machine.memory.write(frame.entryAddress(index: index), new.raw) }
  }

  mutating func takesInterrupt() -> Bool {
    guard let interval = interruptInterval else { return false }
    untilInterrupt -= 1
    if untilInterrupt > 0 { return false }
    defer { untilInterrupt = interval + 1 }
    return untilInterrupt == 0
  }

  /// The next interrupt comes after that many entries.
  mutating func armInterrupt(after entries: Int) {
    interruptInterval = entries
    untilInterrupt = entries + 1
  }

  /// A domain that was interrupted does not come back: what it holds goes.
  mutating func abandonInterrupted(by domain: DomainID, _ machine: inout MachineState) {
    if let frame = interrupted, isOwned(frame, by: domain, machine) { put(frame, &machine) }
  }
}

extension Frame {
  /// The validation has come to an end, one way or the other.
  mutating func endPartial() {
    isPartial = false
    holdsPartialTable = false
    acceptedEntries = 0
  }
}
