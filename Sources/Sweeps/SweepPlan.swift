public import Machine

/// What a sweep covers: every combination of its traces, machines, values of keys and modes, but for those excluded.
public struct SweepPlan: Hashable, Sendable {
  /// A key of `--set` and the values that it takes in turn.
  public struct Axis: Hashable, Sendable {
    public var key: String
    public var values: [String]
  }

  /// Combinations that are left out: those in which each of the names has one of its values. Names are those of keys,
  /// and `trace`, `mode` and `machine`.
  public typealias Exclusion = [String: Set<String>]

  public var traces: [SweepTrace]
  public var modes: [Mode]
  /// Names or files, as `--machine` takes them.
  public var machines: [String]
  /// In the order of the keys' names.
  public var axes: [Axis]
  public var exclusions: [Exclusion]
  /// Operations after which each replay stops; nil: the whole trace.
  public var limit: UInt64?
  /// Every replay checks itself, as with `--check`.
  public var checks: Bool

  /// Points at most: more is a slip of the pen.
  static var pointLimit: Int { 1_000_000 }

  /// Combinations before anything is excluded; nil if they are too many to count.
  var combinations: Int? {
    var product = 1
    for count in [traces.count, machines.count, modes.count] + axes.map(\.values.count) {
      let (next, overflow) = product.multipliedReportingOverflow(by: count)
      if overflow { return nil }
      product = next
    }
    return product
  }

  /// Every point, numbered from 0: the modes of one machine and trace stand together.
  public var points: [SweepPoint] {
    var points: [SweepPoint] = []
    for trace in traces {
      for machine in machines {
        for settings in assignments {
          for mode in modes {
            let point = SweepPoint(
              number: points.count, trace: trace, machine: machine, settings: settings, mode: mode)
            if !exclusions.contains(where: point.matches) { points.append(point) }
          }
        }
      }
    }
    return points
  }

  /// Every combination of the keys' values, the last key changing fastest.
  private var assignments: [[SweepPoint.Setting]] {
    axes.reduce([[]]) { combinations, axis in
      combinations.flatMap { before in
        axis.values.map { before + [SweepPoint.Setting(key: axis.key, value: $0)] }
      }
    }
  }

  /// The plan in one text that changes with what it means and with nothing else.
  public var canonicalText: String {
    var lines = traces.map { "trace \($0.path)" } + machines.map { "machine \($0)" }
    lines += modes.map { "mode \($0.rawValue)" }
    lines += axes.map { axis in "key \(axis.key) \(axis.values.joined(separator: " "))" }
    lines += exclusions.map { exclusion in
      let conditions = exclusion.keys.sorted().map { "\($0)=\((exclusion[$0] ?? []).sorted().joined(separator: "|"))" }
      return "exclude " + conditions.joined(separator: " ")
    }.sorted()
    lines.append("limit \(limit.map(String.init) ?? "none") checks \(checks)")
    return lines.joined(separator: "\n") + "\n"
  }
}
