public import Paging

/// Everything that decides what a replay counts, but for the trace.
public struct Configuration: Sendable {
  public var mode: Mode
  public var machine: MachineDescription
  public var settings = Settings()
  public var guest: TraceHeader.Guest
  /// Collect an ``Event`` for each fault, exit, hypercall and read-back.
  public var recordsEvents = false
  /// Collect a ``DirtyRound`` for each round of dirty logging.
  public var recordsDirtyRounds = false
  /// Whose trace it is, where several domains share a machine.
  var domain = DomainID.guest
  /// What it has of a host that several machines share.
  var share: HostShare?
  /// Check every TLB hit against the tables that were valid (the staleness oracle) and the backend's invariants.
  public var checks = false
  /// Note ``Simulation/lastUses``; on a bare machine alone.
  public var notesLastUses = false
  /// Measure ``Simulation/reuse``; see ``reuse(on:_:guest:)``.
  var measuresReuse = false
  /// Keep what is dropped from the TLBs, for ``Simulation/takeEffects()``.
  var logsDrops = false

  public init(mode: Mode, machine: MachineDescription, guest: TraceHeader.Guest) {
    self.mode = mode
    self.machine = machine
    self.guest = guest
  }
}

/// One run: a machine in one mode, to which the batches of one trace are given in order.
///
///     let simulation = try Simulation(configuration)
///     while try reader.read(into: &batch) { try simulation.replay(batch) }
///     try simulation.finish()
public final class Simulation {
  public let configuration: Configuration
  private let processor: AnyProcessor
  private let host: XenHost?
  private let sharedHost: Host?

  /// `host`: the machine on which the trace is a domain's, beside others; in mode direct alone. Throws if the machine
  /// cannot do what is asked, with operation number 0.
  public init(_ configuration: Configuration, on host: XenHost? = nil) throws(ReplayError) {
    var configuration = configuration
    if let host { configuration.domain = host.nextDomain() }
    self.configuration = configuration
    self.host = host
    sharedHost = nil
    try configuration.check()
    processor = try AnyProcessor(configuration)
    guard let host else { return }
    guard case .direct(let box) = processor else {
      throw ReplayError(operation: nil, message: "a domain in mode \(configuration.mode.rawValue), expected direct")
    }
    host.join(&box.processor.backend, configuration.domain)
  }

  /// One of several machines that share a host. Throws if the host cannot have it.
  public init(_ configuration: Configuration, on host: Host, as machine: VirtualMachine) throws(ReplayError) {
    var configuration = configuration
    configuration.share = host.nextShare(of: machine)
    self.configuration = configuration
    self.host = nil
    sharedHost = host
    try configuration.check()
    processor = try AnyProcessor(configuration)
    try host.join(processor.hosted, machine, configuration)
  }

  /// Does something while the machine is this domain's.
  private func onMachine<Result>(_ body: () throws(ReplayError) -> Result) throws(ReplayError) -> Result {
    if let sharedHost {
      let machine = processor.hosted
      sharedHost.beginTurn(of: machine)
      defer { sharedHost.endTurn(of: machine) }
      if let number = machine.number { try sharedHost.tellBalloon(of: number) }
      let result = try body()
      if let lack = machine.lack(sharedHost) { throw lack }
      return result
    }
    guard let host, case .direct(let box) = processor else { return try body() }
    box.enter(host)
    defer { box.leave(host) }
    return try body()
  }

  public var counters: Counters { processor.cold.counters }
  /// The first divergences, at most 20; ``Counters/divergences`` counts them all.
  public var divergences: [Divergence] { processor.cold.divergences }

  /// Carries out the operations of a batch, or those with these indices.
  public func replay(_ batch: OperationBatch, _ range: Range<Int>? = nil) throws(ReplayError) {
    try onMachine { () throws(ReplayError) in try processor.replay(batch, range) }
  }

  /// Whether the machine must wait while others have their turns: its host is in state low, and it has more than its target
  /// (``HostState``). The turn has then passed, the host has taken pages, and it is counted. Never true for ever: who
  /// waits in vain runs.
  public func waits() throws(ReplayError) -> Bool {
    guard let sharedHost, let number = processor.hosted.number, sharedHost.isBlocked(number) else { return false }
    let hasWon = try sharedHost.passTurn(of: number) { () throws(ReplayError) in
      try onMachine { () throws(ReplayError) in }
    }
    if hasWon { processor.hosted.noteWait() }
    return hasWon
  }

  /// Carries out what was held back, and the last checks.
  public func finish() throws(ReplayError) {
    try onMachine { () throws(ReplayError) in try processor.cold.finish() }
  }

  /// The events since the last call, in order.
  public func takeEvents() -> [Event] { processor.cold.takeEvents() }

  /// The rounds of dirty logging since the last call, in order.
  public func takeDirtyRounds() -> [DirtyRound] { processor.cold.takeDirtyRounds() }

  /// Translates an address for an access, and tells each step. It changes what a real access would change, so it is for
  /// the end of a run.
  public func explain(_ address: VirtualAddress, _ access: Access) throws(ReplayError) -> [WalkStep] {
    try onMachine { () throws(ReplayError) in try processor.cold.explain(address, access) }
  }

  /// What the TLBs of the CPU that runs hold.
  var tlbEntries: [TLBEntry] { processor.cold.tlbEntries }

  /// What the operations since the last call have done beside TLB hits and walks that find their way.
  func takeEffects() -> ReplayEffects { processor.cold.takeEffects() }

  /// For each physical page, one more than the number of the operation that uses it last, 0 if none does, the largest number
  /// if it is a table at any time; empty unless the configuration asks for it.
  public var lastUses: [UInt64] { processor.cold.lastUses }

  /// The misses of TLBs of every size; nil if the configuration does not measure them.
  public var reuse: ReuseCurves? { processor.cold.reuse() }

  /// The guest's page tables as they are now: each word of each page that the trace calls a table, by physical address,
  /// in the guest's own terms in every mode.
  public func guestTables() -> [UInt64: UInt64] {
    do throws(ReplayError) {
      return try onMachine { () throws(ReplayError) in processor.cold.guestTables() }
    } catch {
      preconditionFailure("reading tables cannot fail")
    }
  }
}

/// A processor of any mode. The switch names each concrete type, which is what makes the compiler specialise the loop
/// for it; behind an existential alone it would run generic, at a third of the speed.
private enum AnyProcessor {
  case native(ProcessorBox<NativeBackend>)
  case emulatedTLB(ProcessorBox<EmulatedTLBBackend>)
  case shadow(ProcessorBox<ShadowBackend>)
  case nested(ProcessorBox<NestedBackend>)
  case direct(ProcessorBox<DirectBackend>)
  case softwareTLB(ProcessorBox<SoftwareTLBBackend>)

  init(_ configuration: Configuration) throws(ReplayError) {
    if configuration.machine.softwareTLB != nil {
      self = .softwareTLB(try ProcessorBox(configuration))
      return
    }
    switch configuration.mode {
    case .native: self = .native(try ProcessorBox(configuration))
    case .emulatedTLB: self = .emulatedTLB(try ProcessorBox(configuration))
    case .shadow: self = .shadow(try ProcessorBox(configuration))
    case .nested: self = .nested(try ProcessorBox(configuration))
    case .direct: self = .direct(try ProcessorBox(configuration))
    }
  }

  func replay(_ batch: OperationBatch, _ range: Range<Int>?) throws(ReplayError) {
    switch self {
    case .native(let box): try box.processor.replay(batch, range)
    case .emulatedTLB(let box): try box.processor.replay(batch, range)
    case .shadow(let box): try box.processor.replay(batch, range)
    case .nested(let box): try box.processor.replay(batch, range)
    case .direct(let box): try box.processor.replay(batch, range)
    case .softwareTLB(let box): try box.processor.replay(batch, range)
    }
    if cold.checks { cold.checkInvariants() }
  }

  /// What is called too seldom to care.
  var cold: any ColdProcessor { hosted }

  var hosted: any ColdProcessor & HostedMachine {
    switch self {
    case .native(let box): box
    case .emulatedTLB(let box): box
    case .shadow(let box): box
    case .nested(let box): box
    case .direct(let box): box
    case .softwareTLB(let box): box
    }
  }
}

protocol ColdProcessor: AnyObject {
  var checks: Bool { get }
  var counters: Counters { get }
  var divergences: [Divergence] { get }
  func takeEffects() -> ReplayEffects
  func checkInvariants()
  func finish() throws(ReplayError)
  func takeEvents() -> [Event]
  func takeDirtyRounds() -> [DirtyRound]
  func explain(_ address: VirtualAddress, _ access: Access) throws(ReplayError) -> [WalkStep]
  func guestTables() -> [UInt64: UInt64]
  func reuse() -> ReuseCurves?
  var lastUses: [UInt64] { get }
  var tlbEntries: [TLBEntry] { get }
}

final class ProcessorBox<MMU: Backend & ~Copyable>: ColdProcessor, HostedMachine {
  var processor: Processor<MMU>

  init(_ configuration: Configuration) throws(ReplayError) { processor = try Processor(configuration) }

  var checks: Bool { processor.oracle != nil }
  var counters: Counters { processor.machine.counters }
  var divergences: [Divergence] { processor.machine.log.divergences }
  func checkInvariants() { processor.looking { $0.checkInvariants() } }

  func finish() throws(ReplayError) {
    try processor.end()
    processor.looking {
      $0.checkInvariants()
      $0.checkTables()
    }
  }

  var lastUses: [UInt64] { processor.machine.lastUses?.operations ?? [] }
  var tlbEntries: [TLBEntry] { processor.cpus.running.entries }
  func takeEvents() -> [Event] { processor.machine.log.takeEvents() }
  func takeDirtyRounds() -> [DirtyRound] { processor.machine.log.takeRounds() }

  func explain(_ address: VirtualAddress, _ access: Access) throws(ReplayError) -> [WalkStep] {
    try processor.explain(address, access)
  }

  func guestTables() -> [UInt64: UInt64] { processor.looking { $0.guestTables() } }

  func reuse() -> ReuseCurves? {
    var stacks: [ReuseStacks] = []
    processor.cpus.forEach { cpu in
      if let reuse = cpu.reuse { stacks.append(reuse) }
    }
    return stacks.isEmpty ? nil : ReuseCurves(stacks, processor.machine.counters)
  }
}

extension Configuration {
  /// Throws if the settings do not go together, or not with the machine.
  fileprivate func check() throws(ReplayError) {
    let problem =
      settings.problem(on: machine)
      ?? settings.problem(machine, mode, isProcessTrace: guest == .process) ?? settings.deviceProblem(mode)
    if let problem { throw ReplayError(operation: nil, message: problem) }
  }
}

extension ProcessorBox<DirectBackend> {
  fileprivate func enter(_ host: XenHost) { host.lend(&processor) }
  fileprivate func leave(_ host: XenHost) { host.takeBack(&processor) }
}
