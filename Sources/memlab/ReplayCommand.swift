import Machine
import MachineDescriptions
import TraceFormat

/// `memlab replay`: what is asked for.
struct ReplayCommand {
  var traces: [String]
  var modes: [Mode]
  var machine: MachineDescription
  var settings: Settings
  /// The `--set` arguments, for the report.
  var changes: [String]
  /// Paths of the reports; nil if they are not wanted.
  var csv: String?
  var events: String?
  var series: String?
  var dirtyLog: String?
  /// Operations of one row of the series.
  var interval: UInt64?
  /// The traces are domains of one machine, and take turns of so many operations; nil: each has a machine to itself.
  var quantum: UInt64?
  /// Bytes of machine memory that the traces share, each as a virtual machine; nil: under Xen, or not at all.
  var memory: UInt64?
  var checks: Bool
  var limit: UInt64?
  var jobs: Int
  var format: TraceSpelling?
  var isQuiet: Bool

  private static let options: [Arguments.Option] = [
    .value("--mode"), .value("--machine"), .value("--set", repeatable: true), .value("--csv"), .value("--events"),
    .value("--series"), .value("--dirty-log"), .value("--interval"), .flag("--check"), .value("--limit"),
    .value("--jobs"),
    .value("--format"), .flag("--quiet"), .value("--quantum"), .value("--memory"),
  ]

  init(_ words: [String]) throws(Failure) {
    let arguments = try Arguments(words, options: Self.options)
    traces = try arguments.operands(1...Int.max - 1, "one trace or more; see `memlab help replay`")
    modes = try Self.modes(arguments.value("--mode") ?? Mode.shadow.rawValue)
    changes = arguments.all("--set")
    (machine, settings) = try Self.configured(arguments.value("--machine"), changes)
    csv = arguments.value("--csv")
    events = arguments.value("--events")
    series = arguments.value("--series")
    dirtyLog = arguments.value("--dirty-log")
    interval = try arguments.count("--interval")
    quantum = try arguments.count("--quantum")
    if let text = arguments.value("--memory") {
      guard let bytes = HostFile.bytes(text), bytes <= 1 << 40 else {
        throw Failure(.usage, "--memory \(text): expected bytes up to 1024G, as 64M")
      }
      memory = bytes
    }
    checks = arguments.has("--check")
    limit = try arguments.count("--limit")
    jobs = Int(clamping: try arguments.count("--jobs") ?? UInt64(Threads.available))
    format = try TraceSpelling.named(arguments.value("--format"))
    isQuiet = arguments.has("--quiet")
    try checkTogether()
  }

  /// Options that need or exclude each other.
  private func checkTogether() throws(Failure) {
    if series != nil && interval == nil {
      throw Failure(.usage, "--series needs --interval N, the operations of a row")
    }
    if series == nil && interval != nil { throw Failure(.usage, "--interval needs --series FILE") }
    if dirtyLog != nil && !settings.logsDirtyPages {
      throw Failure(.usage, "--dirty-log needs --set dirty-log.method=METHOD; see `memlab modes`")
    }
    if memory != nil && (quantum == nil || modes.count > 1) {
      throw Failure(.usage, "--memory needs --quantum N, the operations of a turn, and one mode")
    }
    if quantum != nil && memory == nil && modes != [.direct] {
      throw Failure(
        .usage,
        "--quantum needs --mode direct, whose hypervisor has domains, or --memory SIZE, which virtual machines share")
    }
    let outputs = [csv, events, series, dirtyLog].compactMap(\.self)
    if outputs.count(where: OutputFile.isStandardOutput) > 1 {
      throw Failure(.usage, "only one report can go to standard output")
    }
    if Set(outputs).count != outputs.count { throw Failure(.usage, "two reports cannot go to the same file") }
    if traces.count(where: { $0 == "-" }) > 1 { throw Failure(.usage, "standard input can be read only once") }
    let runs = traces.count * modes.count
    if runs > 1, let path = [events, series, dirtyLog].compactMap(\.self).first(where: OutputFile.isStandardOutput) {
      throw Failure(.usage, "\(path): \(runs) runs write a file each; give a name")
    }
  }

  /// Modes in the order in which they were named, each once.
  static func modes(_ list: String) throws(Failure) -> [Mode] {
    var modes: [Mode] = []
    for name in list.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
      let named = name == "all" ? Mode.allCases : Mode(rawValue: name).map { [$0] } ?? []
      if named.isEmpty { throw .unknown("mode", name, among: Mode.allCases.map(\.rawValue) + ["all"]) }
      modes += named.filter { !modes.contains($0) }
    }
    return modes
  }

  /// The machine and the settings after each `--set`.
  static func configured(
    _ name: String?, _ changes: [String]
  ) throws(Failure) -> (MachineDescription, Settings) {
    var settings = Settings()
    var file = try MachineFile.named(name ?? MachineFile.defaultName)
    for change in changes {
      let parts = change.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2 else { throw Failure(.usage, "--set \(change): expected KEY=VALUE") }
      if Settings.keys.contains(where: { $0.name == parts[0] }) {
        if let problem = settings.set(parts[0], to: parts[1]) { throw Failure(.usage, "--set \(change): \(problem)") }
      } else {
        try file.change(parts[0], to: parts[1])
      }
    }
    let machine: MachineDescription
    do throws(MachineError) {
      machine = try file.description()
    } catch {
      throw Failure(error)
    }
    if let problem = settings.problem(on: machine) { throw Failure(.usage, problem) }
    return (machine, settings)
  }
}

extension MachineFile {
  /// The machine of that name or file.
  static func named(_ name: String) throws(Failure) -> MachineFile {
    do throws(MachineError) {
      return try MachineFile(name)
    } catch {
      guard error.category == .usage, let meant = nearestName(to: name, among: names) else { throw Failure(error) }
      throw Failure(.usage, "no machine '\(name)'; did you mean '\(meant)'?")
    }
  }

  /// Overrides one figure; who misspells its key hears of the settings' keys too.
  fileprivate mutating func change(_ key: String, to value: String) throws(Failure) {
    do throws(MachineError) {
      try set(key, to: value)
    } catch {
      let keys = Settings.keys.map(\.name) + figures.map(\.path)
      guard !keys.contains(key) else { throw Failure(error) }
      guard let meant = nearestName(to: key, among: keys) else {
        throw Failure(.usage, error.message + "; `memlab modes` lists those of the modes")
      }
      throw Failure(.usage, error.message + "; did you mean '\(meant)'?")
    }
  }
}

extension TraceSpelling {
  static func named(_ name: String?) throws(Failure) -> TraceSpelling? {
    guard let name else { return nil }
    guard let spelling = TraceSpelling(rawValue: name) else {
      throw .unknown("format", name, among: allCases.map(\.rawValue))
    }
    return spelling
  }
}
