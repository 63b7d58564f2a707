import Machine
import MachineDescriptions
import TraceFormat
import Workloads

/// Completions for shells and the man page, both made from the help texts, so that they know what the help knows.
extension Command {
  /// The options that the help of a command explains, in its order.
  var options: [String] {
    var found: [String] = []
    for word in explanation.split(whereSeparator: { " \n,|[]().;`…".contains($0) }) where word.hasPrefix("-") {
      let option = String(word.prefix { $0 != "=" })
      let isOption = option.dropFirst().contains(where: \.isLetter)
      if isOption && !found.contains(option) && option != "--tool" && !option.hasPrefix("--trace") {
        found.append(option)
      }
    }
    return found
  }

  /// The line of a command in the overview.
  var summary: String {
    let line = Self.overview.split(separator: "\n").first { $0.hasPrefix("  memlab \(rawValue) ") } ?? ""
    return line.dropFirst(26).drop { $0 == " " }.description
  }

  /// What can stand behind an option.
  private static var values: [(option: String, words: [String])] {
    let settings = Settings.keys.flatMap { key in key.values.map { "\(key.name)=\($0)" } }
    return [
      ("--mode", Mode.allCases.map(\.rawValue) + ["all"]), ("--machine", MachineFile.names),
      ("--set", settings.filter { !$0.contains("…") }), ("--format", TraceSpelling.allCases.map(\.rawValue)),
      ("--to", TraceSpelling.allCases.filter(\.isWritable).map(\.rawValue)),
      ("--access", ["r", "w", "x", "R", "W", "X"]),
    ]
  }

  /// Operands that are names rather than files.
  private var operands: [String] {
    switch self {
    case .generate: Workload.all.map(\.name)
    case .machines: MachineFile.names
    case .help: Self.names
    default: []
    }
  }

  /// The completion script of a shell: bash, zsh (through bash's) or fish; nil for another.
  static func completions(for shell: String) -> String? {
    switch shell {
    case "bash": bash
    case "zsh": "#compdef memlab\nautoload -U +X bashcompinit && bashcompinit\n" + bash
    case "fish": fish
    default: nil
    }
  }

  private static var bash: String {
    var text = """
      # memlab, for bash: source <(memlab help --completions bash)
      _memlab() {
        local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
        # bash cuts words at =.
        if [[ $word == = ]]; then word=; fi
        if [[ $COMP_CWORD == 1 ]]; then
          COMPREPLY=($(compgen -W "\(names.joined(separator: " "))" -- "$word")); return
        fi
        case $before in

      """
    for (option, words) in values {
      text += "    \(option)) COMPREPLY=($(compgen -W \"\(words.joined(separator: " "))\" -- \"$word\")); return ;;\n"
    }
    text += "  esac\n  case $command in\n"
    for command in allCases {
      let words = (command.options + command.operands).joined(separator: " ")
      text += "    \(command.rawValue)) COMPREPLY=($(compgen -f -W \"\(words)\" -- \"$word\")) ;;\n"
    }
    return text + "  esac\n}\ncomplete -o filenames -F _memlab memlab\n"
  }

  private static var fish: String {
    var text = "# memlab, for fish: memlab help --completions fish | source\n"
    for command in allCases {
      let name = command.rawValue
      text += "complete -c memlab -n __fish_use_subcommand -a \(name) -d '\(quoted(command.summary))'\n"
      for option in command.options {
        let words = values.first { $0.option == option }?.words
        let dashes = option.hasPrefix("--") ? "-l \(option.dropFirst(2))" : "-s \(option.dropFirst())"
        text += "complete -c memlab -n '__fish_seen_subcommand_from \(name)' \(dashes)"
        text += words.map { " -x -a '\($0.joined(separator: " "))'\n" } ?? "\n"
      }
      if !command.operands.isEmpty {
        let words = command.operands.joined(separator: " ")
        text += "complete -c memlab -n '__fish_seen_subcommand_from \(name)' -a '\(words)'\n"
      }
    }
    return text
  }

  private static func quoted(_ text: String) -> String { text.split(separator: "'").joined(separator: "\\'") }

  /// The man page, section 1, in the man macros.
  static var manual: String {
    var text = """
      .TH MEMLAB 1 "" "memlab \(version)" "memlab"
      .SH NAME
      memlab \\- a laboratory for memory virtualization
      .SH SYNOPSIS
      .B memlab
      .I COMMAND
      [\\fIOPTION\\fR]\\&... [\\fIOPERAND\\fR]\\&...
      .SH DESCRIPTION
      .nf
      \(roff(overview))
      .fi
      .SH COMMANDS

      """
    for command in allCases where command != .help {
      text += ".SS memlab \(command.rawValue)\n.nf\n\(roff(command.explanation))\n.fi\n"
    }
    return text
  }

  /// Text as the formatter leaves it: backslashes and points at the beginning of a line mean something to it.
  private static func roff(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      let safe = line.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\e")
      return safe.hasPrefix(".") || safe.hasPrefix("'") ? "\\&" + safe : safe
    }.joined(separator: "\n")
  }
}
