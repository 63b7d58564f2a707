internal import Paging

/// Xen's frame table and the rules by which frames get and lose owners, types and references (Xen, arch/x86/mm.c:
/// `get_page_type`, `put_page_type`, `get_page_from_l1e`, `mod_l1_entry` and their like).
///
/// A frame has one type at a time while its type count is not 0, so no frame is a page table and mapped writable at once.
struct FrameTable: ~Copyable {
  private var frames = PageMap<Frame>()
  /// Frames that have ever had a type, a reference or a new owner, in order, for the recount of the invariants.
  private(set) var known: [MPN] = []
  private var isKnown = PageMap<Bool>()
  /// Frames that each domain owns beyond those that it was built with (fewer: negative).
  private(set) var gained: [DomainID: Int] = [:]
  /// Those among them that are outside of its RAM, for its port.
  private(set) var extras: [DomainID: Int] = [:]
  /// Frames that are free, those freed last at the end.
  private(set) var heap: [MPN] = []
  /// Pages of RAM that the domains were built with that do not run now.
  var built: [DomainID: UInt64] = [:]
  /// ``MachineState/flushClock`` of the domains that do not run now.
  var clocks: [DomainID: UInt64] = [:]
  /// Those among them that must flush all of their CPUs before they run again.
  var owedFlushes: Set<DomainID> = []
  /// The domain that is being destroyed: what it had is scrubbed.
  var dying: DomainID?
  /// Frames that may still be taken from the machine beyond those in the heap.
  var reserve = UInt64.max
  /// The kernel runs in ring 3, where US says nothing of it: entries are adjusted, and Xen has slots of its own.
  var adjustsEntries = false
  /// Entries that are validated until an interrupt comes; nil: none does.
  var interruptInterval: Int?
  private var untilInterrupt = 0
  /// Tables that were validated since somebody last looked, while they are noted.
  var notesTables = false
  private var newTables: [MPN] = []
  /// The guest's pages whose frames went, likewise.
  private var freedPages: [PPN] = []
  /// The outermost table whose validation was interrupted.
  private(set) var interrupted: MPN?

  subscript(frame: MPN) -> Frame { frames[frame.raw] ?? Frame() }

  private mutating func set(_ frame: MPN, _ value: Frame) {
    if isKnown[frame.raw] != true {
      isKnown.set(frame.raw, true)
      known.append(frame)
    }
    frames.set(frame.raw, value)
  }

  mutating func change(_ frame: MPN, _ body: (inout Frame) -> Void) {
    var value = self[frame]
    body(&value)
    set(frame, value)
  }

  // MARK: Owners

  /// Whose a frame is, nil if nobody's.
  func owner(of frame: MPN, _ machine: borrowing MachineState) -> DomainID? {
    // The table's index has 40 bits.
    guard frame.raw >> 40 == 0 else { return nil }
    let owner = self[frame].owner
    return owner == .built ? builder(of: frame, machine) : owner.domain
  }

  func isOwned(_ frame: MPN, by domain: DomainID, _ machine: borrowing MachineState) -> Bool {
    owner(of: frame, machine) == domain
  }

  /// Pages of RAM that a domain was built with.
  func builtPages(_ domain: DomainID, _ machine: borrowing MachineState) -> UInt64 {
    domain == machine.domain ? machine.ramPages : built[domain] ?? 0
  }

  /// The domain that was built with a frame, nil for what is nobody's RAM.
  func builder(of frame: MPN, _ machine: borrowing MachineState) -> DomainID? {
    guard let region = machine.physmap.regions.region(of: frame) else { return nil }
    return region.page(frame).raw < builtPages(region.domain, machine) ? region.domain : nil
  }

  /// The domain that has the device whose memory a frame is, nil if it is no device's.
  func deviceOwner(of frame: MPN, _ machine: borrowing MachineState) -> DomainID? {
    guard frame.raw >> 40 == 0, self[frame].owner == .built,
      let region = machine.physmap.regions.region(of: frame)
    else { return nil }
    return region.page(frame).raw < builtPages(region.domain, machine) ? nil : region.domain
  }

  /// Whether a frame is memory of a device.
  func isDevice(_ frame: MPN, _ machine: borrowing MachineState) -> Bool { deviceOwner(of: frame, machine) != nil }

  /// Gives a frame that nobody has to a domain. Whoever had it before may have it in a TLB: that is flushed before.
  mutating func assign(
    _ frame: MPN, to domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    let old = self[frame]
    if old.owner == .nobody {
      if old.former != machine.domain {
        if old.droppedAt == clocks[old.former] { owedFlushes.insert(old.former) }
      } else if old.droppedAt == machine.flushClock {
        machine.flushAllCPUs(&cpu)
      }
    }
    set(frame, Frame())
    change(frame) { $0.owner = .domain(domain) }
    gained[domain, default: 0] += 1
  }

  /// Takes 2^order frames in a row for a domain, single ones from the heap first; nil if there are none.
  mutating func allocate(
    order: Int = 0, for domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> MPN? {
    let count = UInt64(1) << UInt64(order)
    let first: MPN
    if order == 0, let free = heap.popLast() {
      first = free
    } else {
      guard reserve >= count else { return nil }
      reserve -= count
      first = machine.physmap.allocateFrames(count)
      machine.notePeaks()
    }
    for index in 0..<count { assign(first.advanced(by: index), to: domain, &cpu, &machine) }
    return first
  }

  /// The owner gives a frame back: it stays the owner's until the last reference is gone.
  mutating func release(_ frame: MPN, _ machine: inout MachineState) {
    change(frame) { $0.isReleased = true }
    if self[frame].totalCount == 0 { free(frame, &machine) }
  }

  private mutating func free(_ frame: MPN, _ machine: inout MachineState) {
    guard let domain = owner(of: frame, machine) else { return }
    gained[domain, default: 0] -= 1
    // A domain without a trace of its own has no CPU but the one that makes its hypercalls.
    let isAway = domain != machine.domain && clocks[domain] != nil
    let clock = isAway ? clocks[domain] ?? 0 : machine.flushClock
    let former = isAway ? domain : machine.domain
    set(frame, Frame())
    change(frame) {
      $0.owner = .nobody
      $0.former = former
      $0.droppedAt = clock
    }
    if domain == dying {
      machine.memory.clear(frame)
      machine.contents?[frame] = 0
    }
    if notesTables, let page = machine.physmap.physical(frame) { freedPages.append(page) }
    machine.physmap.remove(frame)
    heap.append(frame)
  }

  /// A frame of the hypervisor's becomes one of a domain's that no trace names, or is taken back.
  mutating func setExtra(_ frame: MPN, of domain: DomainID, _ isOwned: Bool) {
    set(frame, Frame())
    change(frame) { $0.owner = isOwned ? .domain(domain) : .nobody }
    gained[domain, default: 0] += isOwned ? 1 : -1
    noteExtra(of: domain, isOwned)
  }

  mutating func noteExtra(of domain: DomainID, _ isOwned: Bool) { extras[domain, default: 0] += isOwned ? 1 : -1 }

  // MARK: References

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

  private mutating func settle(_ frame: MPN) {
    if interrupted == frame { interrupted = nil }
  }

  private mutating func take(
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
    let changesType = old.typeCount == 0 && old.kind != kind && old.kind != .none
    if changesType && old.droppedAt == machine.flushClock { machine.flushAllCPUs(&cpu) }
  }

  /// Gives back a type reference and the general one. A table that nobody relies on lets go of all that it refers to.
  mutating func put(_ frame: MPN, _ machine: inout MachineState) {
    precondition(self[frame].typeCount > 0 && self[frame].totalCount > 0, "a reference that was not taken")
    let clock = machine.flushClock
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
        putEntry(entry(frame, index, machine), level: level, &machine)
      }
      if now.holdsPartialTable { put(entry(frame, accepted, machine).frame, &machine) }
    }
    drop(frame, &machine)
  }

  private func entry(_ frame: MPN, _ index: Int, _ machine: borrowing MachineState) -> PageTableEntry<MachineSpace> {
    PageTableEntry(machine.memory.read(frame.entryAddress(index: index)))
  }

  /// Takes the references of all entries of a table, or none; an interrupt leaves it at some entry.
  private mutating func validate(
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
          putEntry(entry(frame, accepted, machine), level: level, &machine)
        }
      }
      throw failure
    }
  }

  /// Takes the references of one entry, and leaves it as Xen has it.
  private mutating func accept(
    _ frame: MPN, _ index: Int, level: Int, for domain: DomainID, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) throws(XenError) {
    if isXenSlot(index, level: level) { return machine.memory.write(frame.entryAddress(index: index), 0) }
    let old = entry(frame, index, machine)
    try getEntry(old, level: level, pages: domain, for: domain, &cpu, &machine)
    let new = adjusted(old, level: level)
    if new != old { machine.memory.write(frame.entryAddress(index: index), new.raw) }
  }

  private mutating func takesInterrupt() -> Bool {
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

  // MARK: Pins

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

extension Frame {
  /// The validation has come to an end, one way or the other.
  fileprivate mutating func endPartial() {
    isPartial = false
    holdsPartialTable = false
    acceptedEntries = 0
  }
}
