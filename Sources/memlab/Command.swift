import Glibc

/// The commands of memlab: name, help and what they do.
enum Command: String, CaseIterable {
  case replay, host, compare, sweep, merge, report, reuse, strip, walk, inspect, explain, convert, record, generate
  case reproduce
  case modes, machines, workloads, help

  /// Carries out a command line and returns the exit status.
  static func run(_ words: [String]) -> Int32 {
    do throws(Failure) {
      return try dispatch(words)
    } catch {
      if error.status != Failure.Status.interrupted.rawValue { Output.complain("memlab: \(error.message)\n") }
      return error.status
    }
  }

  private static func dispatch(_ words: [String]) throws(Failure) -> Int32 {
    guard let name = words.first else {
      throw Failure(.usage, "expected a command: \(names.joined(separator: ", ")); `memlab help` explains them")
    }
    switch name {
    case "--help", "-h": return try explain([])
    case "--version":
      try Output.print("memlab \(version)\n")
      return 0
    default: break
    }
    guard let command = Command(rawValue: name) else { throw .unknown("command", name, among: names) }
    let rest = Array(words.dropFirst())
    let ownWords = rest.prefix { $0 != "--" }
    if ownWords.contains("--help") || ownWords.contains("-h") { return try explain([name]) }
    return try command.run(rest)
  }

  private func run(_ words: [String]) throws(Failure) -> Int32 {
    switch self {
    case .replay: return try ReplayCommand(words).run()
    case .host: return try HostCommand(words).run()
    case .compare: return try CompareCommand(words).run()
    case .sweep: return try SweepCommand(words).run()
    case .merge: return try MergeCommand(words).run()
    case .report: return try ReportCommand(words).run()
    case .reuse: return try ReuseCommand(words).run()
    case .strip: return try StripCommand(words).run()
    case .walk: return try WalkCommand(words).run()
    case .inspect: return try InspectCommand(words).run()
    case .explain: return try ExplainCommand(words).run()
    case .convert: return try ConvertCommand(words).run()
    case .record: return try RecordCommand(words).run()
    case .generate: return try GenerateCommand(words).run()
    case .reproduce: return try ReproduceCommand(words).run()
    case .workloads: return try GenerateCommand.list(words)
    case .modes: return try ListCommand.modes(words)
    case .machines: return try ListCommand.machines(words)
    case .help: return try Self.explain(words)
    }
  }

  private static func explain(_ words: [String]) throws(Failure) -> Int32 {
    let arguments = try Arguments(words, options: [.value("--completions"), .flag("--man")])
    if let shell = arguments.value("--completions") {
      guard let text = completions(for: shell) else { throw .unknown("shell", shell, among: ["bash", "zsh", "fish"]) }
      try Output.print(text)
      return 0
    }
    if arguments.has("--man") {
      try Output.print(manual)
      return 0
    }
    guard let name = try arguments.operands(0...1, "the name of one command").first else {
      try Output.print(overview)
      return 0
    }
    guard let command = Command(rawValue: name) else { throw .unknown("command", name, among: names) }
    try Output.print(command.explanation)
    return 0
  }

  static var names: [String] { allCases.map(\.rawValue) }
  static var version: String { "0.1.0" }
}
