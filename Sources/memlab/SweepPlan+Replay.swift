import Machine
import Sweeps

extension SweepPlan {
  /// Replays one point, which is one run of `memlab replay`.
  ///
  /// - Throws: what is the fault neither of the combination nor of the trace, an unreadable disk say.
  func replay(_ point: SweepPoint, report: (UInt64, Double?) -> Void) throws(Failure) -> SweepRow {
    do throws(Failure) {
      let command = try ReplayCommand(words(point))
      let reports = try RunReports(command: command, trace: point.trace.name, mode: point.mode)
      var pass = Pass(
        command: command, path: point.trace.path, name: point.trace.name,
        members: [Pass.Member(mode: point.mode, reports: reports)])
      if case .workload(let workload) = point.trace { pass.workload = workload }
      guard let outcome = try pass.run(report: report).first else { throw Failure(.internalError, "no outcome") }
      return SweepRow(point, run: outcome.run)
    } catch {
      switch error.status {
      case Failure.Status.usage.rawValue: return SweepRow(point, .skipped, reason: error.message)
      case Failure.Status.badData.rawValue: return SweepRow(point, .failed, reason: error.message)
      default: throw error
      }
    }
  }

  /// The point as words behind `memlab replay`.
  private func words(_ point: SweepPoint) -> [String] {
    var words = ["--mode", point.mode.rawValue, "--machine", point.machine]
    for change in point.changes { words += ["--set", change] }
    if let limit { words += ["--limit", String(limit)] }
    if checks { words.append("--check") }
    return words + ["--", point.trace.path]
  }
}
