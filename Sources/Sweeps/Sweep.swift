/// A plan with all that decides what its replays count, and the form of its rows.
public struct Sweep: Sendable {
  public var plan: SweepPlan
  public var points: [SweepPoint]
  /// Tells this plan from others: it changes with the plan's meaning and with the figures of its machines.
  public var checksum: String
  /// The traces that are files, by their paths.
  public var files: [String: TraceFile]
  public var origin: SweepOrigin

  public init(_ plan: SweepPlan, checksum: String, files: [String: TraceFile], origin: SweepOrigin) {
    (self.plan, points) = (plan, plan.points)
    (self.checksum, self.files, self.origin) = (checksum, files, origin)
  }

  /// What is known of a trace that is a file.
  public struct TraceFile: Hashable, Sendable {
    public var checksum: String
    /// The seed that its header tells; empty if it tells none.
    public var seed: String

    public init(checksum: String, seed: String) { (self.checksum, self.seed) = (checksum, seed) }
  }

  /// Where a trace's random numbers began; empty if nobody knows, or there are none.
  func seed(of trace: SweepTrace) -> String {
    switch trace {
    case .file(let path): files[path]?.seed ?? ""
    case .workload(let workload): String(workload.seed)
    }
  }
}

/// Which memlab made a row.
public struct SweepOrigin: Hashable, Sendable {
  public var version: String
  /// The git commit of the checkout in which memlab was built; empty if it is not known.
  public var revision: String
  /// Checksum of the program itself: two rows with the same build came from the same code.
  public var build: String

  public init(version: String, revision: String, build: String) {
    (self.version, self.revision, self.build) = (version, revision, build)
  }
}
