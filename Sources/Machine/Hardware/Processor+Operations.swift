internal import Paging

/// A page-table store or CR3 load that waits for the tables that the trace names behind it.
struct PendingOperation {
  var number: UInt64
  var kind: Kind
  enum Kind {
    case tableStore(TableStore, Operation, VirtualAddress?)
    case rootLoad(UInt64)
  }
}

extension Processor where MMU: ~Copyable {
  /// Carries out an operation that is not a plain access.
  @inline(never)
  mutating func carryOut(_ operation: Operation, _ batch: OperationBatch) throws(ReplayError) {
    // Another domain has a kernel of its own.
    if machine.guest == .process && operation.kind.isKernels && !(operation.kind == .hypercall && vm != 0) {
      throw error("'\(operation.kind.name)' in a process trace, whose kernel is modelled")
    }
    try reserveFrames()
    let payload = Int(operation.payload)
    switch operation.kind {
    case .load, .store, .fetch: preconditionFailure("accesses are the loop's")
    case .tableStore:
      let address = operation.hasPayload ? VirtualAddress(batch.words[payload + 1]) : nil
      try storeTable(operation, value: batch.words[payload], at: address)
    case .table: try announce(operation, batch)
    case .tableGone: tableGone(PhysicalAddress(operation.address).page, level: Int(operation.size))
    case .loadCR3: try loadCR3(operation.address)
    case .loadCR0, .loadCR4, .loadEFER: try loadControls(operation)
    case .invlpg: invlpg(VirtualAddress(operation.address))
    case .invpcid:
      invpcid(type: operation.size, pcid: batch.words[payload], VirtualAddress(operation.address))
    case .fault:
      guard let code = UInt32(exactly: batch.words[payload]) else {
        throw error("error code \(String(batch.words[payload], radix: 16)), expected 32 bits")
      }
      try expectFault(VirtualAddress(operation.address), PageFaultCode(rawValue: code))
    case .interrupt: interrupt(operation)
    case .mark: mark()
    case .readBack: try readBack(PhysicalAddress(operation.address))
    case .cpu:
      backend.settle(&cpus.running, &machine)
      cpus.run(Int(operation.address), &machine)
    case .vm: try runVM(operation.address)
    case .ram: try setRAM(operation.address)
    case .hypercall: try hypercall(batch.strings[payload])
    case .folded: try countFolded(batch.payload(of: operation))
    case .dma: try transfer(operation, length: batch.words[payload])
    case .content: try setContents(PhysicalAddress(operation.address), batch.words[payload])
    case .balloon where MMU.hasHypervisor && !MMU.takesHypercalls:
      throw unsupported("'balloon' under other hypervisors than direct paging's")
    case .switchProcess, .fork, .exec, .exit, .map, .unmap, .protect, .discard, .remap, .balloon:
      guard machine.guest == .process else { throw error("'\(operation.kind.name)', which is for process traces") }
      try carryOutProcess(operation, batch)
    }
  }

  /// Accesses that ``Stripper`` has left out: the first level of the TLB answered each, and nothing changed.
  private mutating func countFolded(_ counts: ArraySlice<UInt64>) throws(ReplayError) {
    let limit: UInt64 = 1 << 48
    guard counts.allSatisfy({ $0 <= limit }), let loads = counts.first, let fetches = counts.last else {
      throw error("more than 2^48 accesses folded")
    }
    let accesses = counts.reduce(0, +)
    machine.counters.loads += loads
    machine.counters.stores += accesses - loads - fetches
    machine.counters.fetches += fetches
    machine.counters.translations += accesses
    machine.counters.tlbL1Hits += accesses
    // Less this operation, which the whole trace does not have.
    machine.counters.operations &+= accesses &- 1
  }

  /// A mark begins the memory traces or ends them, if the settings say so.
  private mutating func mark() {
    guard machine.settings.traces.beginAtMark else { return }
    machine.areTracesOn.toggle()
    if hasStarted { backend.switchTraces(&cpus.running, &machine) }
  }

  private func unsupported(_ what: String) -> ReplayError {
    error("\(what) is not carried out by this version")
  }

  func error(_ message: String) -> ReplayError { ReplayError(operation: machine.operation, message: message) }

  /// Which guest makes the hypercalls that follow. Only the first makes accesses.
  private mutating func runVM(_ number: UInt64) throws(ReplayError) {
    guard number == 0 || MMU.takesHypercalls && number < UInt64(DomainID.limit) else {
      throw unsupported("virtual machine \(number)")
    }
    vm = Int(number)
  }

  private mutating func hypercall(_ text: String) throws(ReplayError) {
    if !cpus.running.hasStarted { try start() }
    if !MMU.hasHypervisor {
      // VMCALL without one is an invalid opcode (SDM 3C, VMCALL).
      return machine.logHypercall(text, result: "#UD", cpus.running.index)
    }
    let old = cpus.running.registers.cr3
    for store in try backend.hypercall(text, vm: vm, &cpus.running, &machine) {
      oracle?.store(store)
    }
    if cpus.running.registers.cr3 != old {
      let root = root
      oracle?.loadedCR3(root, keeps: false, cpus.running.index)
    }
    cpus.running.forgetRecent()
    leaveMonitor()
  }

  private mutating func setRAM(_ bytes: UInt64) throws(ReplayError) {
    guard !hasStarted else { throw error("ram after the first access") }
    let bits = machine.description.maxPhysicalAddressBits
    guard bytes <= 1 << UInt64(bits) else {
      throw error("ram of \(bytes) bytes, expected at most 2^\(bits), the machine's MAXPHYADDR")
    }
    guard bytes >= 4096 else { throw error("ram of \(bytes) bytes, expected a page or more") }
    if let share = machine.hosted?.size, share != bytes {
      if machine.guest == .process { return }
      throw error("ram of \(bytes) bytes on a machine of \(share)")
    }
    machine.ramPages = bytes >> 12
  }

  private mutating func readBack(_ address: PhysicalAddress) throws(ReplayError) {
    var event = Event(operation: machine.operation, cpu: cpus.running.index, kind: .load, cause: "")
    event.physical = address
    event.value = backend.guestEntry(at: PhysicalAddress(address.raw & ~7), &machine)
    machine.log.append(event)
  }

  private mutating func interrupt(_ operation: Operation) {
    guard cpus.running.hasStarted else { return }
    change(.interrupt)
    backend.settle(&cpus.running, &machine)
    machine.countInterrupt(vector: UInt16(truncatingIfNeeded: operation.size), cpus.running.index)
    leaveMonitor()
  }

  /// The recorded machine, or the author of a scenario, says that the access of the code faults here.
  private mutating func expectFault(_ address: VirtualAddress, _ code: PageFaultCode) throws(ReplayError) {
    backend.settle(&cpus.running, &machine)
    let outcome = try translate(address, code.access)
    if case .fault(let fault) = outcome, fault.address == address, fault.code == code { return }
    // A hit on an entry that the guest changed without a flush is legal, and counted by the oracle.
    if case .translated = outcome, oracle?.latestWasStale == true { return }
    machine.diverge(
      expected: "page fault at \(address.hexadecimal) with code \(code.hexadecimal)", found: outcome.description)
  }
}

extension Operation.Kind {
  /// What only a kernel does, so that a trace of processes cannot have it.
  fileprivate var isKernels: Bool {
    switch self {
    case .tableStore, .table, .tableGone, .loadCR3, .loadCR0, .loadCR4, .loadEFER: true
    case .invlpg, .invpcid, .fault, .hypercall, .cpu: true
    default: false
    }
  }
}
