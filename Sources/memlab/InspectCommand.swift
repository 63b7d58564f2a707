import Machine
import Paging
import Reporting
import TraceFormat

/// `memlab inspect`: what traces hold.
struct InspectCommand {
  private let traces: [String]
  private let limit: UInt64?
  private let format: TraceSpelling?

  init(_ words: [String]) throws(Failure) {
    let arguments = try Arguments(words, options: [.value("--limit"), .value("--format")])
    traces = try arguments.operands(1...Int.max - 1, "one trace or more")
    limit = try arguments.count("--limit")
    format = try TraceSpelling.named(arguments.value("--format"))
  }

  func run() throws(Failure) -> Int32 {
    let progress = Progress(passes: traces.count, isVisible: Progress.hasAudience)
    var reports: [String] = []
    for (index, path) in traces.enumerated() {
      do throws(TraceError) {
        reports.append(try inspect(path) { progress.update(pass: index, operations: $0, fraction: $1) })
      } catch {
        progress.finish()
        if Cancellation.isOn { throw Failure(.interrupted, "") }
        throw Failure(error)
      }
    }
    progress.finish()
    if Cancellation.isOn { throw Failure(.interrupted, "") }
    try Output.print(reports.joined(separator: "\n"))
    return 0
  }

  private func inspect(_ path: String, report: (UInt64, Double?) -> Void) throws(TraceError) -> String {
    var reader = try TraceReader(path: path, format: format)
    var inspection = Inspection()
    var batch = OperationBatch()
    var operations: UInt64 = 0
    while operations != limit && !Cancellation.isOn {
      guard try reader.read(into: &batch) else { break }
      if let limit { batch.count = min(batch.count, Int(clamping: limit - operations)) }
      inspection.add(batch)
      operations += UInt64(batch.count)
      report(operations, reader.fraction)
    }
    report(operations, 1)
    return InspectionReport.text(TraceName.of(path), guest: reader.header.guest.rawValue, inspection)
  }
}
