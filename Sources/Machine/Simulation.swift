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
///     var simulation = try Simulation(configuration)
///     while try reader.read(into: &batch) { try simulation.replay(batch) }
///     try simulation.finish()
public final class Simulation {
  public let configuration: Configuration
  public private(set) var counters = Counters()
  /// The first divergences, at most 20; ``Counters/divergences`` counts them all.
  public private(set) var divergences: [Divergence] = []

  /// Throws if the machine cannot do what is asked, with operation number 0.
  public init(_ configuration: Configuration) throws(ReplayError) {
    self.configuration = configuration
  }

  /// Carries out the operations of a batch.
  public func replay(_ batch: OperationBatch) throws(ReplayError) {
    counters.operations += UInt64(batch.count)
  }

  /// Carries out what was held back, and the last checks.
  public func finish() throws(ReplayError) {}

  /// The events since the last call, in order.
  public func takeEvents() -> [Event] { [] }

  /// The guest's page tables as they are now: each non-zero entry of each page that the trace called a table, by
  /// physical address, in the guest's own terms in every mode.
  public func guestTables() -> [UInt64: UInt64] { [:] }
}
