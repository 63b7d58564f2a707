internal import Paging

/// A kernel in ring 3, where US tells it from no process: it has a base table of its own, and Xen is between the two
/// (`direct.rings=3`; Xen, `toggle_guest_mode` and `do_iret` of arch/x86/pv).
extension DirectBackend {
  static var seesModes: Bool { true }

  /// The way to user code is the hypercall `iret`; a system call, a fault or an interrupt comes to Xen first. Either way
  /// Xen loads the other base table, and with it go all translations but the global ones, which are the user's pages.
  mutating func changed(_ mode: ModeChange, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    let isUser = mode == .toUser
    let accesses = isUser ? GuestMode.user : GuestMode.kernel
    guard cpu.modeAccesses != GuestMode.any, cpu.modeAccesses != accesses else { return }
    switch mode {
    case .toUser:
      settle(&cpu, &machine)
      countHypercall("iret", nil, nil, nil, &machine, cpu.index)
    case .systemCall: machine.countReflectedSystemCall(cpu.index)
    // Whoever hands these on has booked the exit.
    case .fault, .interrupt: break
    }
    cpu.modeAccesses = accesses
    loadRoot(&cpu, &machine)
    // MOV to CR3, which leaves global pages: no Xen flushes those here.
    cpu.flush(pcid: 0)
    machine.counters.baseSwitches += 1
    machine.counters.cycles.mode += machine.description.costs.loadCR3
  }

  /// The table from which the hardware walks in the present mode.
  mutating func loadRoot(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    let domain = xen.domains[machine.domain]
    guard cpu.modeAccesses == GuestMode.user else {
      if let base = domain?.bases[cpu.index] { cpu.root = base }
      return
    }
    if let base = domain?.userBases[cpu.index] { return cpu.root = base }
    // `do_iret` crashes such a domain.
    machine.diverge(
      expected: "the guest to have a base table for user mode before it goes there", found: "none: the domain crashes")
  }

  // MARK: The user's base table, which the port keeps

  /// Slots of a level-4 table that a user's base table shares with the kernel's: those of the lower half.
  static var userSlots: Int { 256 }

  /// Makes the table that has the lower half of a level-4 table (Linux, `xen_pgd_alloc`). It is not in use yet.
  mutating func makeUserBase(_ page: PPN, _ machine: inout MachineState) {
    let (kernel, user) = (machine.physmap.machine(page), machine.allocateTable())
    xen.frames.setExtra(user, of: machine.domain, true, &machine)
    for index in 0..<Self.userSlots {
      machine.memory.write(
        user.entryAddress(index: index), machine.memory.read(kernel.entryAddress(index: index)))
    }
    port.setUserBase(user, of: page)
  }

  /// The request for the user's base table that goes with one for the kernel's, nil if it has no such slot.
  func mirrored(_ request: UpdateQueue.Request, _ page: PPN) -> UpdateQueue.Request? {
    guard let user = port.userBases[page], request.place.offset >> 3 < Self.userSlots else { return nil }
    let place = MachineAddress(user.address.raw | request.place.offset)
    return UpdateQueue.Request(place: place, value: request.value, mirrors: page)
  }

  /// The user's base table of a page that is none any more; unpinned.
  mutating func freeUserBase(_ page: PPN, _ machine: inout MachineState) {
    guard let user = port.userBases[page] else { return }
    port.setUserBase(nil, of: page)
    freeExtra(user, &machine)
  }

  // MARK: What Xen makes of entries

  /// Flags with which the port asks for an entry: the kernel's pages are not global (Linux, `__supported_pte_mask`), since
  /// they would stay in the TLB for user code. What the kernel wanted is kept.
  mutating func flagsInRing3(_ flags: UInt64, level: Int, at place: MachineAddress) -> UInt64 {
    guard xen.frames.adjustsEntries else { return flags }
    port.setWanted(flags, at: place)
    return level == 1 && flags & EntryFlags.user.rawValue == 0 ? flags & ~EntryFlags.global.rawValue : flags
  }

  /// Names what does not hold of the two base tables, nil if all does.
  borrowing func violatedBases(_ cpu: borrowing VirtualCPU, _ machine: inout MachineState) -> String? {
    guard xen.frames.adjustsEntries else { return nil }
    for page in port.userBases.keys.sorted(by: { $0.raw < $1.raw }) {
      guard let user = port.userBases[page] else { continue }
      let kernel = machine.physmap.machine(page)
      for index in 0..<512 {
        let (here, there) = (user.entryAddress(index: index), kernel.entryAddress(index: index))
        if queue.value(at: here) != nil || queue.value(at: there) != nil { continue }
        let expected = index < Self.userSlots ? machine.memory.read(there) : 0
        // The hardware sets A, and a bit that means nothing here, in the one that it walks.
        if (machine.memory.read(here) ^ expected) & ~0x60 != 0 {
          return "slot \(index) of the user's base table for \(page.address.hexadecimal) is not the kernel's"
        }
      }
    }
    let domain = xen.domains[machine.domain]
    let base = cpu.modeAccesses == GuestMode.user ? domain?.userBases[cpu.index] : domain?.bases[cpu.index]
    if cpu.hasStarted && cpu.root != base { return "the hardware walks another base table than the mode's" }
    guard cpu.modeAccesses == GuestMode.user else { return nil }
    for entry in cpu.entries
    where entry.data & TLBData.global == 0 {
      // A user page in the kernel's half is global too, and the kernel's own affair.
      let page = (entry.tag >> 19) << entry.size.pageShift
      if page >> 44 & 1 == 1 { return "the TLB has the kernel's page \(String(page, radix: 16)) while user code runs" }
    }
    return nil
  }
}

extension MachineState {
  /// Books a system call that Xen takes and hands to the guest's kernel.
  fileprivate mutating func countReflectedSystemCall(_ cpu: Int) {
    counters.systemCallsReflected += 1
    counters.exitOther += 1
    counters.cycles.mode += description.costs.hypercall
    log.append(Event(operation: operation, cpu: cpu, kind: .exit, cause: "system-call"))
  }
}
