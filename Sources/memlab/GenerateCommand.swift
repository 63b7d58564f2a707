import Paging
import TraceFormat
import Workloads

/// `memlab workloads` and `memlab generate`: synthetic process traces.
struct GenerateCommand {
  private let workload: Workload
  private let values: [String: UInt64]
  private let seed: UInt64
  private let output: String
  private let target: TraceSpelling

  init(_ words: [String]) throws(Failure) {
    let arguments = try Arguments(
      words, options: [.value("--set", repeatable: true), .value("--seed"), .value("-o"), .value("--to")])
    let name = try arguments.operands(1...1, "the name of one workload")[0]
    guard let workload = Workload.named(name) else {
      throw .unknown("workload", name, among: Workload.all.map(\.name))
    }
    self.workload = workload
    values = try Self.values(arguments.all("--set"), of: workload)
    let text = arguments.value("--seed") ?? "1"
    guard let seed = UInt64(text) else { throw Failure(.usage, "--seed \(text): expected a whole number") }
    self.seed = seed
    guard let output = arguments.value("-o") else { throw Failure(.usage, "expected -o FILE, the trace to write") }
    self.output = output
    target = try ConvertCommand.target(arguments.value("--to"), output: output)
  }

  private static func values(_ changes: [String], of workload: Workload) throws(Failure) -> [String: UInt64] {
    var values: [String: UInt64] = [:]
    for change in changes {
      let parts = change.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { throw Failure(.usage, "--set \(change): expected KEY=VALUE") }
      do throws(WorkloadError) {
        values[parts[0]] = try workload.value(parts[1], of: parts[0])
      } catch {
        switch error {
        case .unknownKey: throw .unknown("key of \(workload.name)", parts[0], among: workload.keys.map(\.name))
        case .badValue(let expected): throw Failure(.usage, "--set \(change): expected \(expected)")
        }
      }
    }
    return values
  }

  func run() throws(Failure) -> Int32 {
    let progress = Progress(passes: 1, isVisible: Progress.hasAudience && !OutputFile.isStandardOutput(output))
    defer { progress.finish() }
    do throws(TraceError) {
      var stream = workload.stream(values, seed: seed)
      let path = OutputFile.isStandardOutput(output) ? "-" : output
      var writer = try TraceWriter(path: path, format: target, header: stream.header)
      var batch = OperationBatch()
      var operations: UInt64 = 0
      while stream.read(into: &batch) {
        if Cancellation.isOn { throw TraceError(.usage, file: output, "interrupted") }
        try writer.append(batch)
        operations += UInt64(batch.count)
        progress.update(pass: 0, operations: operations, fraction: nil)
      }
      try writer.finish()
      return 0
    } catch {
      if Cancellation.isOn { throw Failure(.interrupted, "") }
      if OutputFile.isStandardOutput(output) && Output.readerIsGone { return 0 }
      throw Failure(error)
    }
  }

  static func list(_ words: [String]) throws(Failure) -> Int32 {
    _ = try Arguments(words, options: []).operands(0...0, "nothing behind workloads")
    var text = "Workloads, for memlab generate, with the keys of --set and their defaults:\n"
    for workload in Workload.all {
      text += "\n  \(workload.name)\n    \(workload.summary)\n"
      for key in workload.keys { text += "      \(key.name)=\(key.standard)  \(key.summary)\n" }
    }
    try Output.print(text)
    return 0
  }
}
