import Machine
import Reporting
import Synchronization

extension ReplayCommand {
  /// Replays everything, writes the reports and returns the exit status.
  func run() throws(Failure) -> Int32 {
    let csvFile = try csv.map { path throws(Failure) in try OutputFile(path, sparing: traces) }
    let outcomes = try outcomes()
    let runs = outcomes.map(\.run)
    for outcome in outcomes { try outcome.reports.commit() }
    if let csvFile {
      try csvFile.write(CounterTable.csv(runs))
      try csvFile.commit()
    }
    let takesStandardOutput = [csv, events, series].compactMap(\.self).contains(where: OutputFile.isStandardOutput)
    if !isQuiet && !takesStandardOutput { try Output.print(Summary.text(runs)) }
    return conclude(runs)
  }

  /// Replays everything; the outcomes come in the order of traces and modes.
  func outcomes() throws(Failure) -> [Outcome] {
    var outcomes = try replay(try plan())
    if checks { TableComparison.compare(&outcomes) }
    return outcomes
  }

  /// Tells what must not have happened; a divergence decides the exit status.
  func conclude(_ runs: [Run]) -> Int32 {
    for run in runs {
      if let count = run.accessedDirtyDifferences, count > 0, !isQuiet {
        let name = "\(run.trace), \(run.mode.rawValue)"
        Output.complain("\(name): \(count) final entries differ from native's in A or D only\n")
      }
    }
    let diverged = runs.filter { $0.counters.divergences > 0 }
    for run in diverged {
      let count = run.counters.divergences
      Output.complain("memlab: \(run.trace), \(run.mode.rawValue): \(count) divergence\(count == 1 ? "" : "s")\n")
      for divergence in run.divergences {
        Output.complain(
          "  operation \(divergence.operation): expected \(divergence.expected), found \(divergence.found)\n")
      }
      if UInt64(run.divergences.count) < count { Output.complain("  …\n") }
    }
    return diverged.isEmpty ? 0 : Failure.Status.internalError.rawValue
  }

  /// The passes over the traces, with all their files open, so that a path that is wrong shows before the work begins.
  private func plan() throws(Failure) -> [Pass] {
    var passes: [Pass] = []
    var names: [String] = []
    for path in traces {
      let name = TraceName.of(path)
      // Two traces of one name get two names of report files.
      let again = names.count { $0 == name }
      let label = again == 0 ? name : "\(name)-\(again + 1)"
      names.append(name)
      let isReadOnce = TraceName.isStream(path)
      for modes in isReadOnce ? [modes] : modes.map({ [$0] }) {
        var members: [Pass.Member] = []
        for mode in modes {
          members.append(Pass.Member(mode: mode, reports: try RunReports(command: self, trace: label, mode: mode)))
        }
        passes.append(Pass(command: self, path: path, name: name, members: members))
      }
      if !isReadOnce { try Pass.checkOpens(path, format) }
    }
    return passes
  }

  /// The traces on one machine: as domains, or as virtual machines on a host.
  private func shared(_ passes: [Pass], _ quantum: UInt64) -> SharedMachine {
    guard let memory else {
      let host = XenHost()
      return SharedMachine(members: passes.map { .init(pass: $0, place: .domain(host)) }, quantum: quantum)
    }
    let host = Host(HostSettings(memory: memory))
    let members = passes.map { pass in
      SharedMachine.Member(pass: pass, place: .machine(host, VirtualMachine(name: pass.name)))
    }
    return SharedMachine(members: members, quantum: quantum)
  }

  /// Runs the passes side by side; the outcomes come in the order of traces and modes.
  private func replay(_ passes: [Pass]) throws(Failure) -> [Outcome] {
    let progress = Progress(passes: passes.count, isVisible: !isQuiet && Progress.hasAudience)
    if let quantum {
      defer { progress.finish() }
      return try shared(passes, quantum).run {
        progress.update(pass: $0, operations: $1, fraction: $2)
      }
    }
    let results = Mutex([Result<[Outcome], Failure>?](repeating: nil, count: passes.count))
    Threads.forEach(passes.count, jobs: jobs) { index in
      let result: Result<[Outcome], Failure>
      do throws(Failure) {
        result = .success(try passes[index].run { progress.update(pass: index, operations: $0, fraction: $1) })
      } catch {
        // The others would work for nothing.
        Cancellation.request()
        result = .failure(error)
      }
      results.withLock { $0[index] = result }
    }
    progress.finish()
    let all = results.withLock { $0.compactMap(\.self) }
    // A run that was stopped because another one failed has nothing to say.
    for case .failure(let failure) in all where failure.status != Failure.Status.interrupted.rawValue { throw failure }
    var outcomes: [Outcome] = []
    for result in all { outcomes += try result.get() }
    return outcomes
  }
}
