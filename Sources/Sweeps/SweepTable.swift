internal import Machine
internal import Reporting

/// The rows of a sweep as CSV: the counters' own columns between those that tell the point and those that it takes to
/// repeat it.
public enum SweepTable {
  static let front = ["point", "points", "status", "reason"]
  static let back = [
    "trace_path", "trace_checksum", "seed", "limit", "checks", "plan_checksum", "version", "revision", "build",
  ]

  /// The names of the columns.
  public static var columns: [String] { front + CounterTable.names + back }

  /// The header line.
  public static var header: String { CSV.line(columns) }

  /// The line of one row.
  public static func line(_ row: SweepRow, of sweep: Sweep) -> String {
    let point = row.point
    let front = [String(point.number), String(sweep.points.count), row.status.rawValue, row.reason]
    let back = [
      point.trace.path, sweep.files[point.trace.path]?.checksum ?? "", sweep.seed(of: point.trace),
      sweep.plan.limit.map(String.init) ?? "", sweep.plan.checks ? "1" : "0", sweep.checksum, sweep.origin.version,
      sweep.origin.revision, sweep.origin.build,
    ]
    return CSV.line(front + counters(row) + back)
  }

  /// The counters' columns; of a point without counters only what it was.
  private static func counters(_ row: SweepRow) -> [String] {
    if let run = row.run { return CounterTable.fields(run) }
    let point = row.point
    let known = [
      "trace": point.trace.name, "mode": point.mode.rawValue, "machine": point.machine,
      "settings": point.changes.joined(separator: " "),
    ]
    return CounterTable.names.map { known[$0] ?? "" }
  }
}
