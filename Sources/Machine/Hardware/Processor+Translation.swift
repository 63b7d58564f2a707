internal import Paging

/// What came of the translation of one page of an access.
enum TranslationOutcome {
  case translated(MPN)
  /// The hypervisor carried the access out itself, to this physical page.
  case emulated(PPN)
  /// The guest got a page fault.
  case fault(PageFault)
  /// The address is not canonical: #GP.
  case protection
}

extension Processor where MMU: ~Copyable {
  /// Translates an access on the long way; `second` is its size in bytes if it crosses a page border, else 0.
  @inline(never)
  mutating func translateAccess(_ address: VirtualAddress, _ access: Access, second size: UInt16) throws(ReplayError) {
    guard try finish(translate(address, access), address, access), size > 0 else { return }
    // No part of an access is performed unless all of it translates; CR2 is then the start of the second page.
    let next = VirtualAddress(((address.raw &+ UInt64(size) &- 1) >> 12) << 12)
    _ = try finish(translate(next, access), next, access)
  }

  /// Translates one page of an access. Returns whether that part is performed.
  mutating func performs(_ access: Access, _ address: VirtualAddress) throws(ReplayError) -> Bool {
    try finish(translate(address, access), address, access)
  }

  /// Judges the outcome of an access that is not a page-table store. Returns whether it was performed.
  private mutating func finish(
    _ outcome: TranslationOutcome, _ address: VirtualAddress, _ access: Access
  ) throws(ReplayError) -> Bool {
    switch outcome {
    case .translated(let frame):
      if machine.sharesPages { noteContents(frame, access) }
      if machine.lastUses != nil && !machine.isDevice(PPN(frame.raw)) {
        machine.lastUses?.note(PPN(frame.raw), at: machine.operation)
      }
      if contents != nil { checkContents(frame, address, access) }
      return true
    case .emulated(let page):
      if access.isStore && machine.traces.seesStores(to: page) {
        let stored = PhysicalAddress(page.address.raw | address.offset)
        backend.storedUnknown(stored, &cpus.running, &machine)
      }
      if machine.sharesPages && !machine.isDevice(page) { noteContents(machine.frame(of: page), access) }
      if contents != nil { checkContents(machine.frame(of: page), address, access) }
      return true
    case .fault, .protection:
      noteUnexpected(outcome, address, access)
      return false
    }
  }

  /// In a recording, a fault that the recording does not have is a divergence.
  mutating func noteUnexpected(_ outcome: TranslationOutcome, _ address: VirtualAddress, _ access: Access) {
    guard machine.guest == .recorded else { return }
    machine.diverge(
      expected: "\(access.description) at \(address.hexadecimal) to be performed", found: outcome.description)
  }

  /// Translates one page of an access: one TLB look-up, then as many walks as it takes.
  mutating func translate(_ address: VirtualAddress, _ access: Access) throws(ReplayError) -> TranslationOutcome {
    follow(access)
    let first = address.isCanonical(levels: 5) ? cpus.running.lookUpFirst(address.page.raw, access) : 0
    return try translate(address, access, first: first)
  }

  /// A plain access within one page that the first TLB level did not let pass: `first` is the entry that it has, or 0.
  @inline(never)
  mutating func goOn(_ address: VirtualAddress, _ access: Access, first: UInt64) throws(ReplayError) {
    _ = try finish(translate(address, access, first: first), address, access)
  }

  private mutating func translate(
    _ address: VirtualAddress, _ access: Access, first: UInt64
  ) throws(ReplayError) -> TranslationOutcome {
    let outcome = try translateUnobserved(address, access, first: first)
    if machine.observer != nil && access.isStore { observe(outcome) }
    return outcome
  }

  private mutating func observe(_ outcome: TranslationOutcome) {
    switch outcome {
    case .translated(let frame): machine.observer?.stored(to: frame)
    case .emulated(let page): machine.observer?.used(page)
    case .fault, .protection: break
    }
  }

  @inline(__always)
  private mutating func translateUnobserved(
    _ address: VirtualAddress, _ access: Access, first: UInt64
  ) throws(ReplayError) -> TranslationOutcome {
    guard address.isCanonical(levels: cpus.running.guestControls.levels) else {
      countProtection(address)
      return .protection
    }
    // The segment's limit is held against the address before it is translated (SDM 3A 6.3).
    if let lost = machine.truncatedRange, lost.contains(address) {
      countProtection(address)
      return .protection
    }
    if !cpus.running.hasStarted {
      try start()
      follow(access)
    }
    machine.counters.translations += 1
    let page = address.page
    if first & access.bit != 0 {
      machine.counters.tlbL1Hits += 1
      return .translated(checkedFrame(first, page, access))
    }
    let written = cpus.running.softwareTLB?.lookUp(page.raw, context: cpus.running.context)
    if let found = written, found & access.bit != 0 {
      machine.counters.tlbL1Hits += 1
      // So that a run of accesses to one page takes the loop's short way, which nobody checks.
      if oracle == nil { cpus.running.noteLone(page.raw, found, access) }
      return .translated(checkedFrame(found, page, access))
    }
    if access.isFetch { machine.counters.l1FetchMisses += 1 } else { machine.counters.l1DataMisses += 1 }
    let second = cpus.running.second.lookUp(page.raw, context: cpus.running.context)
    if second & access.bit != 0 {
      machine.counters.tlbL2Hits += 1
      machine.counters.cycles.secondTLB += machine.description.costs.l2Hit
      cpus.running.fillFirst(page, second, for: access, isNew: first == 0)
      noteCode(page, TLBData.frame(second, of: page), TLBData.size(second), access)
      return .translated(checkedFrame(second, page, access))
    }
    machine.counters.tlbMisses += 1
    if machine.settings.hasSpuriousFaults, cpus.running.softwareTLB == nil,
      let fault = refusal(second != 0 ? second : first, address, access)
    {
      if let outcome = try settle(fault) { return outcome }
    }
    return try walkUntilSettled(address, access, isNew: first | second == 0)
  }

  mutating func start() throws(ReplayError) {
    try settlePending()
    try reserveFrames()
    if machine.guest == .process { try bootKernel() }
    try checkFirstState()
    let root = root
    oracle?.started(root, cpus.running.index)
    if !hasStarted { beginDirtyLogAtStart() }
    try backend.start(&cpus.running, &machine, isFirst: !hasStarted)
    cpus.running.hasStarted = true
    hasStarted = true
  }

  /// The 4 KiB frame that an entry gives for a page; with checks, the oracle is asked whether it may.
  private mutating func checkedFrame(_ data: UInt64, _ page: VPN, _ access: Access) -> MPN {
    let frame = TLBData.frame(data, of: page)
    if oracle != nil { explain(frame, page, access) }
    return frame
  }

  /// The page fault that a TLB entry with too few rights gives without a walk (SDM 3A 4.10.4.3).
  private func refusal(_ entry: UInt64, _ address: VirtualAddress, _ access: Access) -> HardwareFault? {
    let controls = cpus.running.hardwareControls
    guard entry != 0, !TLBData.rights(entry).permits(access, under: controls) else { return nil }
    let code = PageFaultCode(access, under: controls).union(.present)
    return HardwareFault(address: address, access: access, code: code)
  }

  /// Walks, and has faults resolved, until the access is translated, emulated or refused. `isNew`: the TLBs have no entry
  /// for the page.
  private mutating func walkUntilSettled(
    _ address: VirtualAddress, _ access: Access, isNew: Bool
  ) throws(ReplayError) -> TranslationOutcome {
    // A violation for each reference of the longest two-dimensional walk, and some more.
    for _ in 0..<100 {
      switch backend.walk(address, access, &cpus.running, &machine) {
      case .translated(let translation):
        cpus.running.fill(address.page, translation, for: access, isNew: isNew)
        noteCode(address.page, translation.frame(of: address.page), translation.size, access)
        return .translated(translation.frame(of: address.page))
      case .fault(let fault):
        if let outcome = try settle(fault) { return outcome }
      }
    }
    preconditionFailure("the walk of \(address.hexadecimal) never settles")
  }

  /// Has a fault resolved; nil: walk again.
  private mutating func settle(_ fault: HardwareFault) throws(ReplayError) -> TranslationOutcome? {
    if fault.nested == nil { cpus.running.dropAfterFault(fault.address, fault.access) }
    // More rights need no flush (SDM 3A 4.10.4.3): the fault may be spurious, and the next walk begins at the root.
    if fault.reliesOnCachedRights && !machine.settings.hasSpuriousFaults { return nil }
    try reserveFrames()
    let resolution = backend.resolve(fault, &cpus.running, &machine)
    leaveMonitor()
    switch resolution {
    case .retry: return nil
    case .emulated(let page): return .emulated(page)
    case .deliver(let pageFault):
      machine.countTrueFault(pageFault, cpus.running.index)
      if kernel != nil, try isRepaired(pageFault) { return nil }
      return .fault(pageFault)
    }
  }

  private mutating func countProtection(_ address: VirtualAddress) {
    machine.counters.generalProtections += 1
    machine.log.append(
      {
        var event = Event(
          operation: machine.operation, cpu: cpus.running.index, kind: .trueFault, cause: "general-protection")
        event.virtual = address
        return event
      }())
  }
}

extension TranslationOutcome {
  /// For people, in a divergence.
  var description: String {
    switch self {
    case .translated(let frame): "a translation to machine page \(String(frame.raw, radix: 16))"
    case .emulated(let page): "emulation at physical page \(String(page.raw, radix: 16))"
    case .fault(let fault): "page fault at \(fault.address.hexadecimal) with code \(fault.code.hexadecimal)"
    case .protection: "general-protection fault (address not canonical, or beyond the guest's segments)"
    }
  }
}
