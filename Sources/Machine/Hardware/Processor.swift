internal import Paging

/// The processor that carries out a trace: looks every access up in the TLBs of the virtual CPU that runs, and turns to
/// the backend for what they cannot answer.
struct Processor<MMU: Backend & ~Copyable>: ~Copyable {
  var backend: MMU
  var machine: MachineState
  var cpus: CPUSet
  /// Nothing that the machine is set to do but its mode takes part in a translation; see ``fillPlainly(_:_:)``.
  private let isPlain: Bool
  /// Explains TLB hits by the tables that the trace carries; with checks only.
  var oracle: StalenessOracle?
  /// The modelled guest kernel of a process trace, once the machine has started.
  var kernel: GuestKernel?
  /// What the pages of a process trace must hold; with checks only.
  var contents: ProcessContents?
  /// Changes of the guest's tables and registers, and exits, at the last check of the invariants.
  var checkedChanges = UInt64.max
  /// Some CPU has had 32-bit paging: a word may be two entries.
  var hasHadNarrowTables = false
  /// Some CPU has made an access.
  var hasStarted = false
  /// A store or a CR3 load that waits for the tables that follow it in the trace; see `settle`.
  var pending: PendingOperation?
  /// The store before was seen by the hypervisor, so its further entries are too.
  var storeWasEmulated = false
  /// No fault stopped that store, so its further entries are stored too.
  var storeWasPerformed = true
  /// The guest that makes hypercalls.
  var vm = 0
  /// The host that the machine shares with others.
  unowned var host: Host?

  init(_ configuration: Configuration) throws(ReplayError) {
    var state = MachineState(configuration)
    if state.dirtyLog.phase != .off, let problem = MMU.dirtyLogProblem(state.settings) {
      throw ReplayError(operation: nil, message: problem)
    }
    if state.dirtyLog.phase != .off && state.settings.dma.translation == .iommu {
      throw ReplayError(
        operation: nil,
        message: "dma.translation=iommu with a dirty log, past which devices store: expected copy or list")
    }
    backend = try MMU(&state)
    cpus = CPUSet(first: VirtualCPU(index: 0, state))
    isPlain =
      state.truncatedRange == nil && !state.translatesCode && !state.measuresReuse
      && state.description.softwareTLB == nil
    machine = state
    if configuration.checks {
      let hasPageWalkCache = configuration.machine.pageWalkCache != nil
      oracle = StalenessOracle(hasPageWalkCache: hasPageWalkCache)
    }
  }

  /// Carries out operations of a batch, nil: all, in parts where something of the dirty log is due within.
  mutating func replay(_ batch: OperationBatch, _ range: Range<Int>? = nil) throws(ReplayError) {
    let range = range ?? 0..<batch.count
    if machine.dirtyLog.phase == .off { return try replayAtOnce(batch, range) }
    var first = range.lowerBound
    while first < range.upperBound {
      let due = machine.dirtyLog.due
      let end = Int(min(UInt64(range.upperBound), max(due, batch.firstNumber) - batch.firstNumber))
      try replayAtOnce(batch, first..<max(first, end))
      first = max(first, end)
      if batch.firstNumber + UInt64(first) >= due { turnDirtyLog(at: due) }
    }
  }

  /// Goes from run to run of what ``pass(_:_:_:_:)`` lets pass, and carries out what ends them. The counts of accesses by
  /// ``Access/code``, and the clock of the CPU that runs, are kept here and folded at the end.
  private mutating func replayAtOnce(_ batch: OperationBatch, _ range: Range<Int>) throws(ReplayError) {
    var (accesses, passed) = (InlineArray<8, UInt64>(repeating: 0), UInt64(0))
    defer { fold(accesses, passed) }
    if MMU.storesByHypercall { try settleUnlessTable(batch, at: range.lowerBound) }
    let operations = batch.operations.span.extracting(range)
    var index = 0
    while true {
      let start = cpus.running.recent.time
      var time = start
      let isAccess = pass(operations, &index, &time, &accesses)
      // Every tick was a hit.
      passed &+= time &- start
      cpus.running.recent.time = time
      if index == operations.count { break }
      if isAccess {
        machine.operation = batch.firstNumber &+ UInt64(range.lowerBound &+ index)
        try access(operations[index])
      } else {
        try carryOut(batch, range.lowerBound &+ index)
      }
      index &+= 1
    }
    // Wrapping: a `folded` of nothing counts for -1 until here.
    machine.counters.operations &+= UInt64(range.count)
  }

  /// The loop. A hit in the first TLB level to which a slot of ``RecentEntries`` leads changes the time that is stored
  /// there, and counts.
  ///
  /// It calls nothing, so that all of it is in registers. All of its branches are foreseen almost always, for neither the
  /// kind of an access nor the size of its page decides one. An operation is read field by field, since few of them are
  /// wanted. Returns at the end, or at what may not pass: whether that is an access, which then is counted.
  @inline(__always)
  private mutating func pass(
    _ operations: Span<Operation>, _ index: inout Int, _ time: inout UInt64, _ accesses: inout InlineArray<8, UInt64>
  ) -> Bool {
    while index < operations.count {
      let kind = UInt64(operations[index].kind.rawValue)
      if kind > UInt64(Operation.Kind.fetch.rawValue) { return false }
      let address = operations[index].address
      let code = Int(truncatingIfNeeded: (kind | UInt64(operations[index].flags.rawValue) &<< 2) & 7)
      accesses[code] &+= 1
      let end = address & 0xfff &+ UInt64(operations[index].size)
      if end > 0x1000 || !cpus.running.tables[code].passes(address, code, at: time &+ 1) { return true }
      time &+= 1
      index &+= 1
    }
    return false
  }

  @inline(never)
  private mutating func carryOut(_ batch: OperationBatch, _ index: Int) throws(ReplayError) {
    machine.operation = batch.firstNumber &+ UInt64(index)
    try carryOut(batch.operations[index], batch)
    if MMU.storesByHypercall { try settleUnlessTable(batch, at: index + 1) }
  }

  /// `accesses` are by ``Access/code``.
  private mutating func fold(_ accesses: InlineArray<8, UInt64>, _ passed: UInt64) {
    machine.counters.translations &+= passed
    machine.counters.tlbL1Hits &+= passed
    machine.counters.loads += accesses[0] + accesses[4]
    machine.counters.stores += accesses[1] + accesses[5]
    machine.counters.fetches += accesses[2] + accesses[6]
  }

  /// An access that the loop could not let pass: one translation for each page that it touches.
  @inline(never)
  private mutating func access(_ operation: Operation) throws(ReplayError) {
    let access = Access(operation.kind, user: operation.isUser)
    let address = VirtualAddress(operation.address)
    let crosses = !access.isFetch && address.offset &+ UInt64(operation.size) > 0x1000
    // The TLB's tags hold 57 bits of an address; what is beyond them must be checked before.
    guard !machine.seesAll && !crosses && address.isCanonical(levels: 5) else {
      return try translateAccess(address, access, second: crosses ? operation.size : 0)
    }
    follow(access)
    let page = address.page.raw
    let entry = cpus.running.lacksFirst(page, access) ? 0 : cpus.running.lookUpFirst(page, access)
    if entry & access.bit != 0 {
      machine.counters.translations &+= 1
      machine.counters.tlbL1Hits &+= 1
    } else if entry != 0 || !isPlain || !fillPlainly(address, access) {
      try goOn(address, access, first: entry)
    }
  }

  /// An access that the guest makes in kernel mode, or in user mode, shows that it has come there.
  @inline(__always)
  mutating func follow(_ access: Access) {
    if MMU.seesModes && cpus.running.modeAccesses & access.bit == 0 {
      change(access.isUser ? .toUser : .systemCall)
    }
  }

  /// The guest goes from user mode to kernel mode or back.
  @inline(never)
  mutating func change(_ mode: ModeChange) {
    guard MMU.seesModes else { return }
    backend.changed(mode, &cpus.running, &machine)
  }
}

extension Access {
  /// The access that a load, store or fetch operation makes.
  @inline(__always) init(_ kind: Operation.Kind, user: Bool) {
    self.init(AccessKind(rawValue: kind.rawValue) ?? .load, user: user)
  }
}
