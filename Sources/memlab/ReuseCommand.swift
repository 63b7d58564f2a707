import Machine
import Paging
import Reporting
import TraceFormat

/// `memlab reuse`: the TLB misses of every size of TLB.
struct ReuseCommand {
  private let traces: [String]
  private let machine: MachineDescription
  private let settings: Settings
  private let csv: String?
  private let limit: UInt64?
  private let format: TraceSpelling?

  init(_ words: [String]) throws(Failure) {
    let arguments = try Arguments(
      words,
      options: [
        .value("--csv"), .value("--machine"), .value("--set", repeatable: true), .value("--limit"), .value("--format"),
      ])
    traces = try arguments.operands(1...Int.max - 1, "one trace or more")
    (machine, settings) = try ReplayCommand.configured(arguments.value("--machine"), arguments.all("--set"))
    csv = arguments.value("--csv")
    limit = try arguments.count("--limit")
    format = try TraceSpelling.named(arguments.value("--format"))
    if machine.softwareTLB != nil {
      throw Failure(.usage, "\(machine.name): its TLB is filled by software, with random victims")
    }
    if settings.hasSpuriousFaults {
      throw Failure(.usage, "tlb.spurious=on: faults would depend on the size of the TLB")
    }
  }

  func run() throws(Failure) -> Int32 {
    let file = try csv.map { path throws(Failure) in try OutputFile(path, sparing: traces) }
    let progress = Progress(passes: traces.count, isVisible: Progress.hasAudience)
    defer { progress.finish() }
    var reports: [ReuseReport] = []
    for (index, path) in traces.enumerated() {
      let curves = try measure(path) { progress.update(pass: index, operations: $0, fraction: $1) }
      reports.append(ReuseReport(trace: TraceName.of(path), curves))
    }
    progress.finish()
    if let file {
      try file.write(ReuseReport.csv(reports))
      try file.commit()
    }
    if csv.map(OutputFile.isStandardOutput) != true {
      try Output.print(reports.map(\.text).joined(separator: "\n"))
    }
    return 0
  }

  private func measure(_ path: String, report: (UInt64, Double?) -> Void) throws(Failure) -> ReuseCurves {
    do {
      var reader = try TraceReader(path: path, format: format)
      let simulation = try Simulation(.reuse(on: machine, settings, guest: reader.header.guest))
      var batch = OperationBatch()
      var operations: UInt64 = 0
      while operations != limit {
        if Cancellation.isOn { throw Failure(.interrupted, "") }
        guard try reader.read(into: &batch) else { break }
        if let limit { batch.count = min(batch.count, Int(clamping: limit - operations)) }
        try simulation.replay(batch)
        operations += UInt64(batch.count)
        report(operations, reader.fraction)
      }
      report(operations, 1)
      try simulation.finish()
      guard let curves = simulation.reuse else { preconditionFailure("the configuration measures reuse") }
      return curves
    } catch let error as Failure {
      throw error
    } catch let error as TraceError {
      throw Failure(error)
    } catch let error as ReplayError {
      throw Failure(error, in: path, format)
    } catch {
      throw Failure(.internalError, "\(path): \(error)")
    }
  }
}
