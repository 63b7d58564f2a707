/// Runs that differ in their mode alone, and so can be put side by side.
struct ReportGroup {
  /// What tells it from the other groups of the report.
  let label: String
  let runs: [ReportRun]

  /// The run under native, if there is one.
  var native: ReportRun? { runs.first { $0.mode == "native" } }

  /// The groups of some runs, in the order of their first.
  static func groups(_ runs: [ReportRun]) -> [ReportGroup] {
    let common = commonSettings(runs)
    let hasMachines = Set(runs.map(\.machine)).count > 1
    var order: [[String]] = []
    var members: [[String]: [ReportRun]] = [:]
    for run in runs {
      var key = [run.trace] + (hasMachines ? ["on " + run.machine] : [])
      key += run.settings.filter { !common.contains($0) }
      // Traces of one name from several files, or one run that was repeated: a group of its own.
      while members[key]?.contains(where: { $0.mode == run.mode }) == true { key.append("again") }
      if members[key] == nil { order.append(key) }
      members[key, default: []].append(run)
    }
    return order.map { ReportGroup(label: $0.joined(separator: " "), runs: members[$0] ?? []) }
  }

  /// Settings that all runs share, which need to be told once only.
  static func commonSettings(_ runs: [ReportRun]) -> [String] {
    guard let first = runs.first else { return [] }
    return first.settings.filter { setting in runs.allSatisfy { $0.settings.contains(setting) } }
  }
}
