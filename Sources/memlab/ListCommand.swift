import Machine
import MachineDescriptions

/// `memlab modes` and `memlab machines`: what there is.
enum ListCommand {
  static func modes(_ words: [String]) throws(Failure) -> Int32 {
    _ = try Arguments(words, options: []).operands(0...0, "nothing behind modes")
    var text = "Modes, for --mode:\n\n"
    let width = Mode.allCases.map(\.rawValue.count).max() ?? 0
    for mode in Mode.allCases { text += "  \(padded(mode.rawValue, to: width))  \(mode.summary)\n" }
    text += "\nSettings, for --set KEY=VALUE; the first value is the default:\n"
    var groups: [String] = []
    for key in Settings.keys where !groups.contains(group(of: key)) { groups.append(group(of: key)) }
    for group in groups {
      text += "\n"
      for key in Settings.keys where self.group(of: key) == group {
        text += "  \(key.name)=\(key.values.joined(separator: "|"))\n      \(key.summary)\n"
      }
    }
    text += "\n--set takes the figures of the machine too: `memlab machines \(MachineFile.defaultName)` lists them.\n"
    try Output.print(text)
    return 0
  }

  /// Keys of one thing stand together: what is before the dot.
  private static func group(of key: Settings.Key) -> String { String(key.name.prefix { $0 != "." }) }

  static func machines(_ words: [String]) throws(Failure) -> Int32 {
    let arguments = try Arguments(words, options: [.flag("--json")])
    let name = try arguments.operands(0...1, "the name of one machine").first
    if arguments.has("--json") {
      guard let name else { throw Failure(.usage, "--json needs the name of a machine") }
      // What a machine of one's own can begin with.
      try Output.print(String(decoding: try MachineFile.named(name).text, as: UTF8.self))
      return 0
    }
    let text = if let name { figures(try MachineFile.named(name)) } else { try list() }
    try Output.print(text)
    return 0
  }

  private static func list() throws(Failure) -> String {
    var text = "Machines, for --machine:\n\n"
    let width = MachineFile.names.map(\.count).max() ?? 0
    for name in MachineFile.names {
      let summary = try MachineFile.named(name).tree["summary"]?.text ?? ""
      let mark = name == MachineFile.defaultName ? " (default)" : ""
      text += "  \(padded(name, to: width))  \(summary)\(mark)\n"
    }
    return text + "\n`memlab machines NAME` shows every figure with its source; --machine takes a\n"
      + "FILE.json too, for which `memlab machines NAME --json` is a beginning.\n"
  }

  /// Every figure, one source above all the figures that come from it.
  private static func figures(_ file: MachineFile) -> String {
    let figures = file.figures
    var text = "\(file.origin): \(file.tree["summary"]?.text ?? "")\n"
    var source: String?
    for figure in figures {
      if figure.source != source || source == nil {
        source = figure.source
        text += "\n  # \(source ?? "no source is given")\n"
      }
      text += "  " + figure.path + "=" + figure.value + "\n"
    }
    return text + "\nEach is a key of --set.\n"
  }

  private static func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(width - text.count, 0))
  }
}
