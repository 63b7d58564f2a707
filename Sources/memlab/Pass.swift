import Machine
import Paging
import Reporting
import Sweeps
import TraceFormat

/// What a run left: its counters, its open reports, and the guest's final tables if they are to be compared.
struct Outcome: Sendable {
  var run: Run
  var reports: RunReports
  var tables: [UInt64: UInt64]?
}

/// One reading of a trace, under one mode, or under all of them if the trace cannot be read twice.
struct Pass: Sendable {
  /// One mode of the pass.
  struct Member: Sendable {
    var mode: Mode
    var reports: RunReports
  }

  let command: ReplayCommand
  let path: String
  /// The trace's name in reports.
  let name: String
  let members: [Member]
  /// The workload that makes the operations; nil if they are read from the file.
  var workload: SweepTrace.Synthetic?

  /// Throws if the trace cannot be opened or does not begin like one.
  static func checkOpens(_ path: String, _ format: TraceSpelling?) throws(Failure) {
    do throws(TraceError) {
      _ = try TraceReader(path: path, format: format)
    } catch {
      throw Failure(error)
    }
  }

  /// Replays the trace; `report` hears of the operations done and of the share of the trace, from 0 to 1.
  func run(report: (UInt64, Double?) -> Void) throws(Failure) -> [Outcome] {
    if Cancellation.isOn { throw Failure(.interrupted, "") }
    do {
      var source = try source()
      var runners: [Runner] = []
      for member in members { runners.append(try Runner(member, of: self, guest: source.header.guest)) }
      let decoding = try feed(&runners, from: &source, report: report)
      report(command.limit ?? runners.first?.operations ?? 0, 1)
      var outcomes: [Outcome] = []
      for runner in runners { outcomes.append(try runner.outcome(decoding: decoding)) }
      return outcomes
    } catch {
      // A signal ends the unpacking program too: its complaint is not the reason.
      if Cancellation.isOn { throw Failure(.interrupted, "") }
      throw failure(error)
    }
  }

  func source() throws(TraceError) -> OperationSource {
    if let stream = workload?.stream { return OperationSource(stream) }
    return try OperationSource(path: path, format: command.format)
  }

  func failure(_ error: any Error) -> Failure {
    switch error {
    case let error as Failure: error
    case let error as TraceError: Failure(error)
    case let error as ReplayError: Failure(error, in: path, command.format)
    default: Failure(.internalError, "\(path): \(error)")
    }
  }

  /// Gives every batch to every runner; returns the time that decoding took.
  private func feed(
    _ runners: inout [Runner], from source: inout OperationSource, report: (UInt64, Double?) -> Void
  ) throws -> Duration {
    let clock = ContinuousClock()
    var batch = OperationBatch()
    var decoding = Duration.zero
    var operations: UInt64 = 0
    while !Cancellation.isOn {
      let start = clock.now
      guard try source.read(into: &batch) else { return decoding }
      decoding += clock.now - start
      if let limit = command.limit { batch.count = min(batch.count, Int(clamping: limit - operations)) }
      for index in runners.indices { try runners[index].replay(batch) }
      operations += UInt64(batch.count)
      if operations == command.limit { return decoding }
      let share = command.limit.map { Double(operations) / Double($0) }
      report(operations, [share, source.fraction].compactMap(\.self).max())
    }
    throw Failure(.interrupted, "")
  }
}
