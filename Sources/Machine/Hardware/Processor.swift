internal import Paging

/// The processor that carries out a trace: looks every access up in the TLBs of the virtual CPU that runs, and turns to
/// the backend for what they cannot answer.
struct Processor<MMU: Backend & ~Copyable>: ~Copyable {
  var backend: MMU
  var machine: MachineState
  var cpus: CPUSet
  /// Every access goes the long way: it is checked, or stores are followed.
  private let seesAll: Bool
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
  /// Accesses by ``Access/code``, folded into the counters at the end of a batch.
  private var accesses = InlineArray<8, UInt64>(repeating: 0)

  init(_ configuration: Configuration) throws(ReplayError) {
    var state = MachineState(configuration)
    if state.dirtyLog.phase != .off, let problem = MMU.dirtyLogProblem(state.settings) {
      throw ReplayError(operation: 0, message: problem)
    }
    if state.dirtyLog.phase != .off && state.settings.dma.translation == .iommu {
      throw ReplayError(
        operation: 0, message: "dma.translation=iommu with a dirty log, past which devices store: expected copy or list"
      )
    }
    backend = try MMU(&state)
    cpus = CPUSet(first: VirtualCPU(index: 0, state))
    seesAll = configuration.checks || state.sharesPages || state.lastUses != nil
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

  private mutating func replayAtOnce(_ batch: OperationBatch, _ range: Range<Int>) throws(ReplayError) {
    var runHits: UInt64 = 0
    defer { foldAccesses(runHits) }
    let operations = batch.operations.span
    if MMU.storesByHypercall { try settleUnlessTable(batch, at: range.lowerBound) }
    for index in range {
      let operation = operations[index]
      if operation.isAccess {
        // A run of accesses to one page needs no look-up: its entry is the latest of its set, so a hit changes nothing.
        // Without a branch for the kind, which no predictor could guess: 0 is data, 1 is fetches, which end on their page.
        let code = Int(operation.kind.rawValue | operation.flags.rawValue &<< 2) & 7
        let stream = code >> 1 & 1
        accesses[code] &+= 1
        let end = operation.address & 0xfff &+ UInt64(operation.size) & (UInt64(stream) &- 1)
        let last = cpus.running.lastPages[stream]
        if last.page == operation.address &>> 12 && end <= 0x1000 && last.allowed &>> UInt64(code) & 1 != 0 {
          runHits &+= 1
        } else {
          machine.operation = batch.firstNumber &+ UInt64(index)
          try access(operation)
        }
      } else {
        machine.operation = batch.firstNumber &+ UInt64(index)
        try carryOut(operation, batch)
        if MMU.storesByHypercall { try settleUnlessTable(batch, at: index + 1) }
      }
    }
    machine.counters.operations += UInt64(range.count)
  }

  private mutating func foldAccesses(_ runHits: UInt64) {
    machine.counters.translations += runHits
    machine.counters.tlbL1Hits += runHits
    machine.counters.loads += accesses[0] + accesses[4]
    machine.counters.stores += accesses[1] + accesses[5]
    machine.counters.fetches += accesses[2] + accesses[6]
    accesses = InlineArray(repeating: 0)
  }

  /// An access that is not simply another one to the page before: one translation for each page that it touches.
  @inline(__always)
  private mutating func access(_ operation: Operation) throws(ReplayError) {
    let access = Access(operation.kind, user: operation.isUser)
    let address = VirtualAddress(operation.address)
    let crosses = !access.isFetch && address.offset &+ UInt64(operation.size) > 0x1000
    // The TLB's tags hold 57 bits of an address; what is beyond them must be checked before.
    guard !seesAll && !crosses && address.isCanonical(levels: 5) else {
      return try translateAccess(address, access, second: crosses ? operation.size : 0)
    }
    follow(access)
    // The shortest way of a translation: the first TLB level has an entry that allows the access.
    let page = address.page.raw
    let entry = cpus.running.lookUpFirst(page, access)
    guard entry & access.bit != 0 else { return try goOn(address, access, first: entry) }
    machine.counters.translations += 1
    machine.counters.tlbL1Hits += 1
    cpus.running.lastPages[access.isFetch ? 1 : 0] = LastPage(page: page, allowed: entry & allowedInMode)
  }

  /// The accesses that the loop's short way may let pass: those of another mode change the mode first.
  @inline(__always)
  private var allowedInMode: UInt64 { MMU.seesModes ? cpus.running.modeAccesses : TLBData.allowed }

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
    cpus.running.forgetLastPages()
  }
}

extension Access {
  /// The access that a load, store or fetch operation makes.
  @inline(__always) init(_ kind: Operation.Kind, user: Bool) {
    self.init(AccessKind(rawValue: kind.rawValue) ?? .load, user: user)
  }
}
