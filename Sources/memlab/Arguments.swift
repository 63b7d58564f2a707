/// The words of a command line, sorted into options and operands.
struct Arguments {
  /// An option that a command takes, with two dashes.
  struct Option {
    var name: String
    var takesValue: Bool
    var isRepeatable: Bool

    static func flag(_ name: String) -> Option { Option(name: name, takesValue: false, isRepeatable: true) }
    static func value(_ name: String, repeatable: Bool = false) -> Option {
      Option(name: name, takesValue: true, isRepeatable: repeatable)
    }
  }

  private(set) var operands: [String] = []
  private var values: [String: [String]] = [:]

  /// `--name value` and `--name=value` are the same; `--` ends the options; `-` is an operand.
  init(_ words: [String], options: [Option]) throws(Failure) {
    var rest = words[...]
    while let word = rest.popFirst() {
      if word == "--" {
        operands += rest
        return
      }
      guard word.hasPrefix("-") && word != "-" else {
        operands.append(word)
        continue
      }
      try take(word, options, &rest)
    }
  }

  private mutating func take(
    _ word: String, _ options: [Option], _ rest: inout ArraySlice<String>
  ) throws(Failure) {
    let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let option = options.first(where: { $0.name == parts[0] }) else {
      throw .unknown("option", parts[0], among: options.map(\.name))
    }
    var value = parts.count == 2 ? parts[1] : nil
    if !option.takesValue && value != nil { throw Failure(.usage, "\(option.name) takes no value") }
    if option.takesValue && value == nil {
      guard let next = rest.popFirst() else { throw Failure(.usage, "\(option.name) needs a value behind it") }
      value = next
    }
    if values[option.name] != nil && !option.isRepeatable { throw Failure(.usage, "\(option.name) is given twice") }
    values[option.name, default: []].append(value ?? "")
  }

  func has(_ name: String) -> Bool { values[name] != nil }
  func value(_ name: String) -> String? { values[name]?.first }
  func all(_ name: String) -> [String] { values[name] ?? [] }

  /// A whole number of 1 or more.
  func count(_ name: String) throws(Failure) -> UInt64? {
    guard let text = value(name) else { return nil }
    guard let number = UInt64(text), number > 0 else {
      throw Failure(.usage, "\(name) \(text): expected a whole number from 1")
    }
    return number
  }

  /// The operands, if there are as many as the command takes.
  func operands(_ range: ClosedRange<Int>, _ names: String) throws(Failure) -> [String] {
    if operands.count < range.lowerBound { throw Failure(.usage, "expected \(names)") }
    if operands.count > range.upperBound {
      throw Failure(.usage, "'\(operands[range.upperBound])' is one operand too many; expected \(names)")
    }
    return operands
  }
}
