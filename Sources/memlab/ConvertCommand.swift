import Paging
import TraceFormat

/// `memlab convert`: a trace in another spelling.
struct ConvertCommand {
  private let input: String
  private let output: String
  private let format: TraceSpelling?
  private let target: TraceSpelling

  init(_ words: [String]) throws(Failure) {
    let arguments = try Arguments(words, options: [.value("--to"), .value("--format")])
    let operands = try arguments.operands(2...2, "a trace and the file to write")
    (input, output) = (operands[0], operands[1])
    format = try TraceSpelling.named(arguments.value("--format"))
    target = try Self.target(arguments.value("--to"), output: output)
  }

  static func target(_ name: String?, output: String) throws(Failure) -> TraceSpelling {
    if let name {
      let written = TraceSpelling.allCases.filter(\.isWritable)
      guard let spelling = TraceSpelling(rawValue: name) else {
        throw .unknown("format", name, among: written.map(\.rawValue).sorted())
      }
      guard spelling.isWritable else {
        throw Failure(.usage, "--to \(name): that format is read only; there are binary, text")
      }
      return spelling
    }
    if output.hasSuffix(".bin") { return .binary }
    if output.hasSuffix(".txt") { return .text }
    throw Failure(.usage, "\(output): neither .bin nor .txt; give --to binary or --to text")
  }

  func run() throws(Failure) -> Int32 {
    try OutputFile.check(output, isNoneOf: [input])
    let progress = Progress(passes: 1, isVisible: Progress.hasAudience && !OutputFile.isStandardOutput(output))
    do throws(TraceError) {
      try convert { progress.update(pass: 0, operations: $0, fraction: $1) }
    } catch {
      progress.finish()
      if Cancellation.isOn { throw Failure(.interrupted, "") }
      if OutputFile.isStandardOutput(output) && Output.readerIsGone { return 0 }
      throw Failure(error)
    }
    progress.finish()
    if Cancellation.isOn { throw Failure(.interrupted, "") }
    return 0
  }

  private func convert(report: (UInt64, Double?) -> Void) throws(TraceError) {
    var reader = try TraceReader(path: input, format: format)
    let path = OutputFile.isStandardOutput(output) ? "-" : output
    var writer = try TraceWriter(path: path, format: target, header: reader.header)
    var batch = OperationBatch()
    var operations: UInt64 = 0
    while try reader.read(into: &batch) {
      // A writer that is not finished leaves no file.
      if Cancellation.isOn { return }
      try writer.append(batch)
      operations += UInt64(batch.count)
      report(operations, reader.fraction)
    }
    try writer.finish()
  }
}
