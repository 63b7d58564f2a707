import Machine
import MachineDescriptions
import Paging
import Reporting
import TraceFormat

/// `memlab strip`: a trace without the accesses that no machine of a sweep notices.
struct StripCommand {
  private let input: String
  private let output: String
  private let names: [String]
  private let machines: [MachineDescription]
  private let modes: [Mode]
  private let settings: Settings
  private let format: TraceSpelling?
  private let target: TraceSpelling

  init(_ words: [String]) throws(Failure) {
    let arguments = try Arguments(
      words,
      options: [
        .value("-o"), .value("--machine", repeatable: true), .value("--mode"), .value("--set", repeatable: true),
        .value("--to"), .value("--format"),
      ])
    input = try arguments.operands(1...1, "one trace")[0]
    guard let output = arguments.value("-o") else { throw Failure(.usage, "expected -o FILE, the trace to write") }
    self.output = output
    target = try ConvertCommand.target(arguments.value("--to"), output: output)
    names = arguments.has("--machine") ? arguments.all("--machine") : [MachineFile.defaultName]
    var machines: [MachineDescription] = []
    var settings = Settings()
    for name in names {
      let configured = try ReplayCommand.configured(name, arguments.all("--set"))
      machines.append(configured.0)
      settings = configured.1
    }
    self.machines = machines
    self.settings = settings
    modes = try ReplayCommand.modes(arguments.value("--mode") ?? "all")
    format = try TraceSpelling.named(arguments.value("--format"))
  }

  func run() throws(Failure) -> Int32 {
    let progress = Progress(passes: 1, isVisible: Progress.hasAudience && !OutputFile.isStandardOutput(output))
    defer { progress.finish() }
    let (all, kept) = try strip { progress.update(pass: 0, operations: $0, fraction: $1) }
    progress.finish()
    if !OutputFile.isStandardOutput(output) {
      let share = Decimal.percent(kept, of: all)
      try Output.print("\(Decimal.grouped(kept)) of \(Decimal.grouped(all)) operations kept (\(share))\n")
    }
    return 0
  }

  private func strip(report: (UInt64, Double?) -> Void) throws(Failure) -> (all: UInt64, kept: UInt64) {
    do {
      var reader = try TraceReader(path: input, format: format)
      var header = reader.header
      let what = "modes \(modes.map(\.rawValue).joined(separator: ",")) machines \(names.joined(separator: ","))"
      header.notes.append(TraceHeader.Note(key: "stripped", value: what))
      let path = OutputFile.isStandardOutput(output) ? "-" : output
      var writer = try TraceWriter(path: path, format: target, header: header)
      var stripper = try Stripper(machines: machines, modes: modes, settings, guest: reader.header.guest)
      var batch = OperationBatch()
      while try reader.read(into: &batch) {
        // A writer that is not finished leaves no file.
        if Cancellation.isOn { throw Failure(.interrupted, "") }
        for kept in try stripper.strip(batch) { try writer.append(kept) }
        report(stripper.operations, reader.fraction)
      }
      for kept in stripper.finish() { try writer.append(kept) }
      try writer.finish()
      return (stripper.operations, stripper.kept)
    } catch let error as Failure {
      throw error
    } catch let error as TraceError {
      throw Failure(error)
    } catch let error as ReplayError {
      if error.operation == nil { throw Failure(.usage, "\(input): \(error.message)") }
      throw Failure(error, in: input, format)
    } catch {
      throw Failure(.internalError, "\(input): \(error)")
    }
  }
}
