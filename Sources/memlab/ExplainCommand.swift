import Machine
import MachineDescriptions
import Reporting

/// `memlab explain`: what a name means that stands in a report, a log, or on the command line.
struct ExplainCommand {
  private let names: [String]

  init(_ words: [String]) throws(Failure) {
    names = try Arguments(words, options: []).operands(1...Int.max - 1, "a counter, cause, key, mode or figure")
  }

  func run() throws(Failure) -> Int32 {
    for (index, name) in names.enumerated() {
      let found = try Self.exact(name)
      let texts = found.isEmpty ? Self.mentions(of: name) : found
      if texts.isEmpty {
        throw .unknown(
          "name", name, among: try Self.allNames(),
          listedBy: "columns are in the header of --csv, keys in `memlab modes` and `memlab machines NAME`")
      }
      if index > 0 { try Output.print("\n") }
      try Output.print(texts.joined(separator: "\n"))
    }
    return 0
  }

  /// What bears just this name, or this label in the summary. A cause of the event log is explained by the columns that
  /// count it.
  private static func exact(_ name: String) throws(Failure) -> [String] {
    var texts: [String] = []
    let columns = ["", "hidden_", "cause_", "exit_"].map { $0 + name } + Summary.columns(labelled: name)
    for definition in Definitions.all where columns.contains(definition.column) {
      texts.append(text(definition))
    }
    if let mode = Mode(rawValue: name) { texts.append(text(mode)) }
    if let key = Settings.keys.first(where: { $0.name == name }) { texts.append(text(key)) }
    let machine = try MachineFile.named(MachineFile.defaultName)
    if let figure = machine.figures.first(where: { $0.path == name }) { texts.append(text(figure, machine)) }
    return texts
  }

  /// Definitions and keys that have the words in them.
  private static func mentions(of words: String) -> [String] {
    func has(_ text: String) -> Bool { text.lowercased().contains(words.lowercased()) }
    let definitions = Definitions.all.filter { has($0.column) || has($0.meaning) || has($0.term) }
    let keys = Settings.keys.filter { has($0.name) || has($0.summary) }
    return definitions.map(text) + keys.map(text)
  }

  private static func allNames() throws(Failure) -> [String] {
    Definitions.all.map(\.column) + Settings.keys.map(\.name) + Mode.allCases.map(\.rawValue)
      + (try MachineFile.named(MachineFile.defaultName)).figures.map(\.path)
  }

  private static func text(_ definition: Definition) -> String {
    var lines = [(definition.isText ? "\(definition.column): a column" : "\(definition.column), in \(definition.unit)")]
    lines += wrapped(definition.meaning)
    if definition.modes.count < Mode.allCases.count {
      lines.append("  modes:     " + definition.modes.map(\.rawValue).joined(separator: ", "))
    }
    if !definition.term.isEmpty { lines.append("  lectures:  " + definition.term) }
    if !definition.isText { lines.append("  code:      " + Definitions.code(of: definition.column)) }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func text(_ mode: Mode) -> String {
    let folder = ["emulated-tlb": "EmulatedTLB"][mode.rawValue] ?? mode.rawValue.capitalizedFirst
    return """
      \(mode.rawValue): a mode
        \(mode.summary)
        more:      Sources/Machine/Machine.docc/\(folder)Mode.md
        code:      Sources/Machine/Backends/\(folder)

      """
  }

  private static func text(_ key: Settings.Key) -> String {
    var lines = ["\(key.name): a key of --set"]
    lines += wrapped(key.summary)
    lines.append("  values:    " + key.values.joined(separator: ", "))
    lines.append("  default:   " + (key.values.first ?? ""))
    return lines.joined(separator: "\n") + "\n"
  }

  private static func text(_ figure: MachineFile.Figure, _ machine: MachineFile) -> String {
    """
    \(figure.path): a figure of the simulated machine, a key of --set
      \(machine.origin):   \(figure.value)
      source:    \(figure.source ?? "none is given")

    """
  }

  /// Lines of at most 100 characters, indented.
  private static func wrapped(_ text: String) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      if line.count + word.count > 100 {
        lines.append("  " + line)
        line = ""
      }
      line += (line.isEmpty ? "" : " ") + word
    }
    return lines + ["  " + line]
  }
}

extension String {
  fileprivate var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
