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

  /// Judges the outcome of an access that is not a page-table store. Returns whether it was performed.
  private mutating func finish(
    _ outcome: TranslationOutcome, _ address: VirtualAddress, _ access: Access
  ) throws(ReplayError) -> Bool {
    switch outcome {
    case .translated: return true
    case .emulated(let page):
      if access.isStore && backend.isTraced(page) { backend.storedUnknown(page, &cpus.running, &machine) }
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
    guard address.isCanonical(levels: cpus.running.registers.levels) else {
      countProtection(address)
      return .protection
    }
    if !cpus.running.hasStarted { try start() }
    machine.counters.translations += 1
    if let frame = lookUp(address, access) { return .translated(frame) }
    if machine.settings.hasSpuriousFaults, let fault = refusal(address, access) {
      if let outcome = settle(fault) { return outcome }
    }
    return walkUntilSettled(address, access)
  }

  private mutating func start() throws(ReplayError) {
    try settlePending()
    oracle?.started(cpus.running.registers, cpus.running.index)
    try backend.start(&cpus.running, &machine, isFirst: !hasStarted)
    cpus.running.hasStarted = true
    hasStarted = true
  }

  /// Looks an access up in both TLB levels and counts it as one of hit, second-level hit, miss.
  private mutating func lookUp(_ address: VirtualAddress, _ access: Access) -> MPN? {
    let page = address.page
    let context = cpus.running.context
    // The look-up below changes the order of use without the loop's knowing.
    cpus.running.forgetLastPages()
    let first =
      access.isFetch
      ? cpus.running.fetches.lookUp(page.raw, context: context) : cpus.running.data.lookUp(page.raw, context: context)
    if first & access.bit != 0 {
      machine.counters.tlbL1Hits += 1
      return checkedFrame(first, page, access)
    }
    let second = cpus.running.second.lookUp(page.raw, context: context)
    if second & access.bit != 0 {
      machine.counters.tlbL2Hits += 1
      machine.counters.cyclesTranslation += machine.description.costs.l2Hit
      cpus.running.fillFirst(page, TLBData.size(second), second, for: access)
      return checkedFrame(second, page, access)
    }
    machine.counters.tlbMisses += 1
    return nil
  }

  /// The 4 KiB frame that an entry gives for a page; with checks, the oracle is asked whether it may.
  private mutating func checkedFrame(_ data: UInt64, _ page: VPN, _ access: Access) -> MPN {
    let frame = TLBData.frame(data, of: page)
    if oracle != nil { explain(frame, page, access) }
    return frame
  }

  /// The page fault that a TLB entry with too few rights gives without a walk (SDM 3A 4.10.4.3).
  private mutating func refusal(_ address: VirtualAddress, _ access: Access) -> HardwareFault? {
    let entry = cpus.running.second.lookUp(address.page.raw, context: cpus.running.context)
    let rights = TLBData.rights(entry)
    guard entry != 0, !rights.permits(access, under: cpus.running.hardwareControls) else { return nil }
    let code = PageFaultCode(access, under: cpus.running.hardwareControls).union(.present)
    return HardwareFault(address: address, access: access, code: code)
  }

  private mutating func walkUntilSettled(_ address: VirtualAddress, _ access: Access) -> TranslationOutcome {
    // A violation for each reference of the longest two-dimensional walk, and some more.
    for _ in 0..<100 {
      switch backend.walk(address, access, &cpus.running, &machine) {
      case .translated(let translation):
        cpus.running.fill(address.page, translation, for: access)
        return .translated(translation.frame(of: address.page))
      case .fault(let fault):
        if let outcome = settle(fault) { return outcome }
      }
    }
    preconditionFailure("the walk of \(address.hexadecimal) never settles")
  }

  /// Has a fault resolved; nil: walk again.
  private mutating func settle(_ fault: HardwareFault) -> TranslationOutcome? {
    if fault.violation == nil { cpus.running.dropAfterFault(fault.address) }
    switch backend.resolve(fault, &cpus.running, &machine) {
    case .retry: return nil
    case .emulated(let page): return .emulated(page)
    case .deliver(let pageFault):
      machine.countTrueFault(pageFault, cpus.running.index)
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
    case .protection: "general-protection fault (address not canonical)"
    }
  }
}
