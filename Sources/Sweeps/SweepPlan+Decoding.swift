internal import Machine
internal import MachineDescriptions

extension SweepPlan {
  /// Reads a plan: JSON with `traces` and, if they are not to have their defaults, `modes`, `machines`, `keys`,
  /// `exclude`, `limit` and `check`.
  ///
  /// - Throws: if it is no JSON, names what does not exist, or holds no point. Whether a machine's file exists and
  ///   has the figures that the keys name is looked at, whether a combination can run is not.
  public init(text: [UInt8]) throws(PlanError) {
    let tree: JSONValue
    do throws(JSONProblem) {
      tree = try JSONValue(text: text)
    } catch {
      throw PlanError(error.message)
    }
    guard case .object(let members) = tree else { throw PlanError("expected an object in braces, found \(tree.text)") }
    let known = ["traces", "modes", "machines", "keys", "exclude", "limit", "check", "summary"]
    if let extra = members.keys.sorted().first(where: { !known.contains($0) }) {
      throw PlanError("\(extra): no such key; expected \(known.joined(separator: ", "))")
    }
    traces = try Self.traces(members["traces"])
    modes = try Self.modes(members["modes"])
    machines =
      try members["machines"].map { value throws(PlanError) in try Self.texts(value, "machines") }
      ?? [MachineFile.defaultName]
    axes = try Self.axes(members["keys"])
    exclusions = []
    limit = try members["limit"].map { value throws(PlanError) in try Self.number(value, "limit", from: 1) }
    checks = try Self.flag(members["check"], "check")
    exclusions = try exclusions(members["exclude"])
    try validate()
  }

  private static func modes(_ value: JSONValue?) throws(PlanError) -> [Mode] {
    guard let value, value != .string("all") else { return Mode.allCases }
    var modes: [Mode] = []
    for name in try texts(value, "modes") {
      guard let mode = Mode(rawValue: name) else {
        throw PlanError("modes: no mode '\(name)'; there are \(Mode.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      modes.append(mode)
    }
    return modes
  }

  private static func axes(_ value: JSONValue?) throws(PlanError) -> [Axis] {
    guard let value else { return [] }
    guard case .object(let members) = value else { throw PlanError("keys: expected an object, found \(value.text)") }
    var axes: [Axis] = []
    for (key, values) in members.sorted(by: { $0.key < $1.key }) {
      axes.append(Axis(key: key, values: try texts(values, "keys: \(key)")))
    }
    return axes
  }

  private func exclusions(_ value: JSONValue?) throws(PlanError) -> [Exclusion] {
    guard let value else { return [] }
    guard case .array(let elements) = value else {
      throw PlanError("exclude: expected a list of objects, found \(value.text)")
    }
    let names = ["trace", "mode", "machine"] + axes.map(\.key)
    var exclusions: [Exclusion] = []
    let own = [
      "trace": Set(traces.map(\.name) + traces.map(\.path)), "mode": Set(modes.map(\.rawValue)),
      "machine": Set(machines),
    ]
    for element in elements {
      guard case .object(let members) = element, !members.isEmpty else {
        throw PlanError("exclude: expected objects that name something, found \(element.text)")
      }
      var exclusion: Exclusion = [:]
      for (name, values) in members.sorted(by: { $0.key < $1.key }) {
        guard names.contains(name) else {
          throw PlanError("exclude: '\(name)' is not in this plan; expected \(names.joined(separator: ", "))")
        }
        let words = try Self.texts(values, "exclude: \(name)")
        let there = own[name] ?? Set(axes.filter { $0.key == name }.flatMap(\.values))
        if let word = words.first(where: { !there.contains($0) }) {
          let list = there.sorted().joined(separator: ", ")
          throw PlanError("exclude: \(name) \(word) is not in this plan; expected \(list)")
        }
        exclusion[name] = Set(words)
      }
      exclusions.append(exclusion)
    }
    return exclusions
  }
}

extension SweepPlan {
  /// One scalar or a list of them as text, each once.
  static func texts(_ value: JSONValue, _ place: String) throws(PlanError) -> [String] {
    let elements: [JSONValue] = if case .array(let elements) = value { elements } else { [value] }
    if elements.isEmpty { throw PlanError("\(place): the list is empty") }
    var texts: [String] = []
    for element in elements {
      switch element {
      case .array, .object, .null: throw PlanError("\(place): expected texts or numbers, found \(element.text)")
      default: break
      }
      let text = element.text
      // Blanks part settings, and a line feed would part rows.
      if text.isEmpty || text.utf8.contains(where: { $0 < 0x20 }) {
        throw PlanError("\(place): expected a text of one line, found '\(text.filter { $0 >= " " })'")
      }
      if texts.contains(text) { throw PlanError("\(place): '\(text)' is listed twice") }
      texts.append(text)
    }
    return texts
  }

  static func number(_ value: JSONValue, _ place: String, from least: Int) throws(PlanError) -> UInt64 {
    guard case .integer(let number) = value, number >= least else {
      throw PlanError("\(place) is \(value.text), expected a whole number from \(least)")
    }
    return UInt64(number)
  }

  private static func flag(_ value: JSONValue?, _ place: String) throws(PlanError) -> Bool {
    guard let value else { return false }
    guard case .bool(let flag) = value else { throw PlanError("\(place) is \(value.text), expected true or false") }
    return flag
  }
}
