public import Machine

/// What one run came to: one trace under one mode.
public struct Run: Sendable {
  /// The trace's name: its file name without folders and known extensions.
  public var trace: String
  public var mode: Mode
  /// Name of the machine.
  public var machine: String
  /// What was set otherwise than the machine and the mode have it, `KEY=VALUE` with blanks between.
  public var settings = ""
  public var counters: Counters
  /// Wall time from the first to the last operation, decoding included.
  public var seconds: Double
  /// The first divergences; `counters.divergences` counts them all.
  public var divergences: [Divergence]
  /// Entries of the final tables that differ from native's in A and D bits alone; nil if they were not compared.
  public var accessedDirtyDifferences: Int?

  public init(
    trace: String, mode: Mode, machine: String, counters: Counters, seconds: Double, divergences: [Divergence] = []
  ) {
    self.trace = trace
    self.mode = mode
    self.machine = machine
    self.counters = counters
    self.seconds = seconds
    self.divergences = divergences
  }

  /// Operations of the trace a second, rounded.
  public var operationsPerSecond: UInt64 {
    seconds > 0 ? UInt64((Double(counters.operations) / seconds).rounded()) : 0
  }
}
