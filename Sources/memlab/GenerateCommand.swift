import Paging
import TraceFormat
import Workloads

/// `memlab generate`: a synthetic trace; `memlab workloads`: what there is.
struct GenerateCommand {
  private let workload: any Workload
  private let output: String
  private let target: TraceSpelling
  private let notes: [TraceHeader.Note]

  init(_ words: [String]) throws(Failure) {
    let arguments = try Arguments(words, options: [.value("--set", repeatable: true), .value("-o"), .value("--to")])
    let name = try arguments.operands(1...1, "the name of a workload; see `memlab workloads`")[0]
    guard Workloads.all.contains(where: { $0.name == name }) else {
      throw .unknown("workload", name, among: Workloads.all.map { $0.name })
    }
    guard let output = arguments.value("-o") else { throw Failure(.usage, "expected -o FILE, the file to write") }
    self.output = output
    target = try ConvertCommand.target(arguments.value("--to"), output: output)
    var changes: [(name: String, value: String)] = []
    for change in arguments.all("--set") {
      let parts = change.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2 else { throw Failure(.usage, "--set \(change): expected KEY=VALUE") }
      changes.append((parts[0], parts[1]))
    }
    notes = [("workload", name)].map(TraceHeader.Note.init) + changes.map(TraceHeader.Note.init)
    do throws(WorkloadError) {
      workload = try Workloads.make(name, changes)
    } catch {
      throw Failure(.usage, error.message)
    }
  }

  func run() throws(Failure) -> Int32 {
    do throws(TraceError) {
      let path = OutputFile.isStandardOutput(output) ? "-" : output
      var writer = try TraceWriter(path: path, format: target, header: TraceHeader(guest: .scenario, notes: notes))
      // A writer that is not finished leaves no file.
      try workload.generate { (batch) throws(TraceError) in
        if Cancellation.isOn { throw TraceError(.inputOutput, file: output, "interrupted") }
        try writer.append(batch)
      }
      try writer.finish()
    } catch {
      if Cancellation.isOn { throw Failure(.interrupted, "") }
      if OutputFile.isStandardOutput(output) && Output.readerIsGone { return 0 }
      throw Failure(error)
    }
    return 0
  }

  /// Lists the workloads with their parameters.
  static func list(_ words: [String]) throws(Failure) -> Int32 {
    _ = try Arguments(words, options: []).operands(0...0, "nothing behind workloads")
    var text = "Workloads, for memlab generate, and their parameters with the standard values:\n"
    for workload in Workloads.all {
      text += "\n  \(workload.name)  \(workload.summary)\n"
      for parameter in workload.parameters {
        text += "    \(parameter.name)=\(parameter.standard)  \(parameter.summary)\n"
      }
    }
    try Output.print(text)
    return 0
  }
}
