public import Machine

/// A machine description as it is written: a tree of figures, each with its source.
///
/// One figure is addressed by its path, the keys joined by dots: `tlb.l1d.4K.entries`, `walkCaches.L1D.cycles`.
public struct MachineFile: Sendable {
  /// Where it came from: the name of a machine that ships with memlab, or a path.
  public let origin: String
  /// What it says, before anything was set.
  public let text: [UInt8]
  public private(set) var tree: JSONValue

  /// The machine of that name, or the file at that path if it has a slash or ends in `.json`.
  public init(_ nameOrPath: String) throws(MachineError) {
    if nameOrPath.contains("/") || nameOrPath.hasSuffix(".json") {
      try self.init(path: nameOrPath)
    } else {
      try self.init(named: nameOrPath)
    }
  }

  /// One of the machines that ship with memlab; see ``names``.
  public init(named name: String) throws(MachineError) {
    guard let text = Self.shipped.first(where: { $0.name == name })?.text else {
      let list = Self.names.joined(separator: ", ")
      throw MachineError(.usage, "no machine '\(name)'; there are \(list), or give a file NAME.json")
    }
    try self.init(text: text(), origin: name)
  }

  /// A machine file of the user's.
  public init(path: String) throws(MachineError) {
    try self.init(text: try FileBytes.read(path), origin: path)
  }

  /// The text of a machine file; it is decoded whole, so that what it lacks is known now.
  public init(text: [UInt8], origin: String) throws(MachineError) {
    self.origin = origin
    self.text = text
    do throws(JSONProblem) {
      tree = try JSONValue(text: text, shownBy: origin)
    } catch {
      throw MachineError(.badData, "\(origin): \(error.message)")
    }
    do {
      _ = try MachineReader.description(tree)
    } catch {
      throw MachineError(.badData, "\(origin): \(error.message)")
    }
  }

  /// The machine with all that was set.
  public func description() throws(MachineError) -> MachineDescription {
    do {
      return try MachineReader.description(tree)
    } catch {
      throw MachineError(.usage, "\(origin): \(error.message)")
    }
  }

  /// Overrides one figure.
  public mutating func set(_ key: String, to argument: String) throws(MachineError) {
    var node = tree
    var passed: [String] = []
    let path = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    for step in path {
      guard let next = node[step], !Self.labels.contains(step) else { throw unknownKey(key, after: passed, in: node) }
      node = next
      passed.append(step)
    }
    if !node.childKeys.isEmpty || node == .object([:]) || node == .array([]) {
      throw unknownKey(key, after: passed, in: node)
    }
    tree.replace(at: path[...], with: JSONValue(argument: argument))
    do {
      _ = try MachineReader.description(tree)
    } catch {
      throw MachineError(.usage, "--set \(key)=\(argument): \(error.message)")
    }
  }

  private func unknownKey(_ key: String, after passed: [String], in node: JSONValue) -> MachineError {
    let level = passed.joined(separator: ".")
    let keys = Self.ordered(node.childKeys)
    if keys.isEmpty { return MachineError(.usage, "no key '\(key)': \(level) has no keys below it") }
    let place = passed.isEmpty ? "machine \(origin)" : level
    // A path that ends too early is no misspelling.
    let problem = level == key ? "'\(key)' is a group of keys" : "no key '\(key)'"
    return MachineError(.usage, "\(problem): the keys of \(place) are \(keys.joined(separator: ", "))")
  }
}

extension MachineFile {
  /// Keys that name and explain; no figures.
  private static let labels: Set<String> = ["name", "summary", "sources"]

  /// Keys of figures as a person expects them: those of the top in the order of the files, others by the alphabet.
  private static func ordered(_ keys: [String]) -> [String] {
    let top = [
      "maxphyaddr", "hugePages", "fiveLevels", "pcid", "sensitiveInstructionsTrap", "tlb", "pagingStructureCaches",
      "pageWalkCache", "nestedCaches", "walkCaches", "costs",
    ]
    return top.filter(keys.contains) + keys.filter { !top.contains($0) && !labels.contains($0) }
  }

  /// One number, word or switch of the file.
  public struct Figure: Hashable, Sendable {
    /// Its key for `--set`.
    public var path: String
    public var value: String
    /// Where it is from; nil if the file does not say.
    public var source: String?
  }

  /// Every figure, in the order of the keys.
  public var figures: [Figure] {
    var found: [Figure] = []
    for key in Self.ordered(tree.childKeys) {
      if let child = tree[key] { collect(child, path: key, into: &found) }
    }
    return found
  }

  private func collect(_ node: JSONValue, path: String, into found: inout [Figure]) {
    if node.childKeys.isEmpty {
      if case .object = node { return }
      if case .array = node { return }
      found.append(Figure(path: path, value: node.text, source: source(of: path)))
    }
    for key in Self.ordered(node.childKeys) {
      if let child = node[key] { collect(child, path: path + "." + key, into: &found) }
    }
  }

  /// The source of the longest prefix of the path that has one.
  private func source(of path: String) -> String? {
    var steps = path.split(separator: ".")
    while !steps.isEmpty {
      if case .string(let source)? = tree["sources"]?[steps.joined(separator: ".")] { return source }
      steps.removeLast()
    }
    return nil
  }
}
