import Machine
import MachineDescriptions
import Reporting

/// `memlab compare`: traces under several modes, and on several machines, beside native.
struct CompareCommand {
  /// A replay of all traces for each machine.
  private let replays: [ReplayCommand]
  private let csv: String?

  init(_ words: [String]) throws(Failure) {
    let passedOn = ["--set", "--limit", "--jobs", "--format"]
    var options = passedOn.map { Arguments.Option.value($0, repeatable: $0 == "--set") }
    options += [
      .value("--mode"), .value("--machine", repeatable: true), .value("--csv"), .flag("--check"), .flag("--quiet"),
    ]
    let arguments = try Arguments(words, options: options)
    let traces = try arguments.operands(1...Int.max - 1, "one trace or more; see `memlab help compare`")
    let machines = arguments.all("--machine")
    if machines.count > 1, let path = traces.first(where: TraceName.isStream) {
      throw Failure(.usage, "\(path): can be read only once, and each machine needs a reading")
    }
    csv = arguments.value("--csv")
    let asked = try ReplayCommand.modes(arguments.value("--mode") ?? "all")
    let modes = Mode.allCases.filter { $0 == .native || asked.contains($0) }
    var common = ["--mode", modes.map(\.rawValue).joined(separator: ",")]
    for name in passedOn { common += arguments.all(name).flatMap { [name, $0] } }
    common += ["--check", "--quiet"].filter(arguments.has)
    var replays: [ReplayCommand] = []
    for machine in machines.isEmpty ? [MachineFile.defaultName] : machines {
      replays.append(try ReplayCommand(common + ["--machine", machine, "--"] + traces))
    }
    self.replays = replays
  }

  /// Replays, prints and returns the exit status.
  func run() throws(Failure) -> Int32 {
    let file = try csv.map { path throws(Failure) in try OutputFile(path, sparing: replays[0].traces) }
    var runs: [Run] = []
    for replay in replays { runs += try replay.outcomes().map(\.run) }
    let comparison = Comparison(runs)
    if let file {
      try file.write(comparison.csv)
      try file.commit()
    }
    let takesStandardOutput = csv.map(OutputFile.isStandardOutput) ?? false
    if !replays[0].isQuiet && !takesStandardOutput { try Output.print(comparison.text) }
    return replays[0].conclude(runs)
  }
}
