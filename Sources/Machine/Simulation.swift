public import Paging

/// Everything that decides what a replay counts, but for the trace.
public struct Configuration: Sendable {
  public var mode: Mode
  public var machine: MachineDescription
  public var settings = Settings()
  public var guest: TraceHeader.Guest
  /// Collect an ``Event`` for each fault, exit, hypercall and read-back.
  public var recordsEvents = false
  /// Check every TLB hit against the tables that were valid (the staleness oracle) and the backend's invariants.
  public var checks = false

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
  private let processor: any Replaying

  /// Throws if the machine cannot do what is asked, with operation number 0.
  public init(_ configuration: Configuration) throws(ReplayError) {
    self.configuration = configuration
    processor =
      switch configuration.mode {
      case .native: try ProcessorBox<NativeBackend>(configuration)
      case .emulatedTLB: try ProcessorBox<EmulatedTLBBackend>(configuration)
      case .shadow: try ProcessorBox<ShadowBackend>(configuration)
      case .nested: try ProcessorBox<NestedBackend>(configuration)
      case .direct: try ProcessorBox<DirectBackend>(configuration)
      }
  }

  public var counters: Counters { processor.counters }
  /// The first divergences, at most 20; ``Counters/divergences`` counts them all.
  public var divergences: [Divergence] { processor.divergences }

  /// Carries out the operations of a batch.
  public func replay(_ batch: OperationBatch) throws(ReplayError) { try processor.replay(batch) }

  /// Carries out what was held back, and the last checks.
  public func finish() throws(ReplayError) { try processor.finish() }

  /// The events since the last call, in order.
  public func takeEvents() -> [Event] { processor.takeEvents() }

  /// The guest's page tables as they are now: each word of each page that the trace calls a table, by physical address,
  /// in the guest's own terms in every mode.
  public func guestTables() -> [UInt64: UInt64] { processor.guestTables() }
}

/// A processor whose mode is no longer known: one dynamic call a batch, behind it a loop that is specialised for its mode.
private protocol Replaying: AnyObject {
  var counters: Counters { get }
  var divergences: [Divergence] { get }
  func replay(_ batch: OperationBatch) throws(ReplayError)
  func finish() throws(ReplayError)
  func takeEvents() -> [Event]
  func guestTables() -> [UInt64: UInt64]
}

private final class ProcessorBox<MMU: Backend & ~Copyable>: Replaying {
  private var processor: Processor<MMU>

  init(_ configuration: Configuration) throws(ReplayError) { processor = try Processor(configuration) }

  var counters: Counters { processor.machine.counters }
  var divergences: [Divergence] { processor.machine.log.divergences }

  func replay(_ batch: OperationBatch) throws(ReplayError) {
    try processor.replay(batch)
    processor.checkInvariants()
  }

  func finish() throws(ReplayError) {
    try processor.settlePending()
    processor.checkInvariants()
    processor.checkTables()
  }

  func takeEvents() -> [Event] { processor.machine.log.takeEvents() }
  func guestTables() -> [UInt64: UInt64] { processor.guestTables() }
}
