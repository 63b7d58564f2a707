import Machine
public import Reporting

/// What became of one point.
public struct SweepRow: Sendable {
  public enum Status: String, Sendable {
    case ok
    /// A setting, the machine or the mode refuses the combination.
    case skipped
    /// The replay came to its end with divergences.
    case diverged
    /// The trace is damaged.
    case failed
  }

  public var point: SweepPoint
  public var status: Status
  /// Why it was skipped or failed; empty otherwise.
  public var reason: String
  /// The counters; nil if there are none.
  public var run: Run?

  public init(_ point: SweepPoint, run: Run) {
    (self.point, self.run, reason) = (point, run, "")
    status = run.counters.divergences == 0 ? .ok : .diverged
  }

  /// A point without counters. A line feed in the reason becomes a blank: a row is one line.
  public init(_ point: SweepPoint, _ status: Status, reason: String) {
    (self.point, self.status) = (point, status)
    self.reason = String(reason.map { $0.isNewline ? " " : $0 })
  }
}
