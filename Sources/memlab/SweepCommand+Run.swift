import Machine
import Paging
import Reporting
import Sweeps
import Synchronization
import TraceFormat

extension SweepCommand {
  /// Replays what the file has no row of yet.
  func replay(into path: String) throws(Failure) -> Int32 {
    let sweep = try sweep()
    let file = try SweepFile(path)
    try check(file.records, against: sweep, path)
    let done = Set(file.records.records.map(\.point))
    let mine = sweep.points.filter(shard.contains)
    let pending = mine.filter { !done.contains($0.number) }
    if !isQuiet && pending.count < mine.count {
      Output.complain("\(path): \(mine.count - pending.count) of \(mine.count) points are done; going on\n")
    }
    let found = try replay(pending, of: sweep, into: file)
    try file.sort()
    let before = file.records.records.filter { record in mine.contains { $0.number == record.point } }
    return try conclude(before.map(\.status) + found.map(\.rawValue), path)
  }

  /// The plan with its checksums and with who replays it.
  private func sweep() throws(Failure) -> Sweep {
    var files: [String: Sweep.TraceFile] = [:]
    for case .file(let path) in plan.traces {
      do throws(TraceError) {
        // First of all: what is no regular file cannot be replayed again and again.
        let checksum = try ContentChecksum.ofFile(path)
        let notes = try TraceReader(path: path).header.notes
        files[path] = Sweep.TraceFile(checksum: checksum, seed: notes.first { $0.key == "seed" }?.value ?? "")
      } catch {
        throw Failure(error)
      }
    }
    let checksum = ContentChecksum.of(plan.canonicalText + plan.machinesText)
    return Sweep(plan, checksum: checksum, files: files, origin: SweepOrigin.current)
  }

  private func check(_ records: SweepRecords, against sweep: Sweep, _ path: String) throws(Failure) {
    do throws(SweepRecords.Problem) {
      try records.check(against: sweep)
    } catch {
      throw Failure(.badData, "\(path): \(error.message)")
    }
    let others = records.records.count { $0.build != sweep.origin.build }
    if others > 0 { Output.complain("\(path): \(others) rows are from another build of memlab (column build)\n") }
  }

  /// Runs the points side by side, each row written as it comes.
  private func replay(
    _ points: [SweepPoint], of sweep: Sweep, into file: SweepFile
  ) throws(Failure) -> [SweepRow.Status] {
    let progress = Progress(passes: points.count, isVisible: !isQuiet && Progress.hasAudience, unit: "points")
    let results = Mutex<(statuses: [SweepRow.Status], failure: Failure?)>(([], nil))
    Threads.forEach(points.count, jobs: jobs) { index in
      do throws(Failure) {
        if Cancellation.isOn { throw Failure(.interrupted, "") }
        let row = try plan.replay(points[index]) { progress.update(pass: index, operations: $0, fraction: $1) }
        try file.append(point: row.point.number, SweepTable.line(row, of: sweep))
        progress.update(pass: index, operations: row.run?.counters.operations ?? 0, fraction: 1)
        results.withLock { $0.statuses.append(row.status) }
      } catch {
        Cancellation.request()
        // Points that end because another one failed have nothing to say.
        results.withLock { $0.failure = $0.failure.flatMap { $0.isInterruption ? error : $0 } ?? error }
      }
    }
    progress.finish()
    let (statuses, failure) = results.withLock { $0 }
    if let failure {
      if failure.isInterruption && !isQuiet { Output.complain("memlab: stopped; the same command goes on from here\n") }
      throw failure
    }
    return statuses
  }

  /// Tells what came of it; damaged traces and divergences decide the exit status.
  private func conclude(_ statuses: [String], _ path: String) throws(Failure) -> Int32 {
    var parts: [String] = []
    for status in [SweepRow.Status.ok, .skipped, .diverged, .failed] {
      let count = statuses.count { $0 == status.rawValue }
      if count > 0 { parts.append("\(count) \(status.rawValue)") }
    }
    if !isQuiet { try Output.print("\(path): \(statuses.count) points: \(parts.joined(separator: ", "))\n") }
    if statuses.contains(SweepRow.Status.failed.rawValue) { return Failure.Status.badData.rawValue }
    return statuses.contains(SweepRow.Status.diverged.rawValue) ? Failure.Status.internalError.rawValue : 0
  }
}
