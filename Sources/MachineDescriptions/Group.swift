/// An object of a machine file that remembers which of its keys were asked for: what is left over is a misspelt key.
final class Group {
  private let members: [String: JSONValue]
  private let path: String
  private var known: Set<String> = []

  init(_ value: JSONValue, path: String, what: String = "a machine") throws(MachineReader.Problem) {
    guard case .object(let members) = value else {
      let place = path.isEmpty ? what : path
      throw MachineReader.Problem(message: "\(place): expected an object in braces, found \(value.text)")
    }
    self.members = members
    self.path = path
  }

  var keys: [String] { members.keys.sorted() }

  /// The whole path of a key.
  func name(_ key: String) -> String { path.isEmpty ? key : path + "." + key }

  /// Whether there is such a key, which may be missing.
  func has(_ key: String) -> Bool {
    known.insert(key)
    return members[key] != nil
  }

  func group(_ key: String) throws(MachineReader.Problem) -> Group { try Group(value(key), path: name(key)) }

  /// A list of objects; each is known by its `name`, as in a path of `--set`.
  func list(_ key: String) throws(MachineReader.Problem) -> [Group] {
    guard case .array(let elements) = try value(key) else { throw mismatch(key, "a list in brackets") }
    var groups: [Group] = []
    for (index, element) in elements.enumerated() {
      let label = element["name"]?.text ?? String(index)
      groups.append(try Group(element, path: name(key) + "." + label))
    }
    return groups
  }

  func string(_ key: String) throws(MachineReader.Problem) -> String {
    guard case .string(let text) = try value(key) else { throw mismatch(key, "a text in quotes") }
    return text
  }

  /// A value of any kind as it would be written on a command line.
  func text(_ key: String) throws(MachineReader.Problem) -> String { try value(key).text }

  func bool(_ key: String) throws(MachineReader.Problem) -> Bool {
    guard case .bool(let flag) = try value(key) else { throw mismatch(key, "true or false") }
    return flag
  }

  /// A whole number that is not negative and no larger than any geometry needs.
  func count(_ key: String) throws(MachineReader.Problem) -> Int {
    guard case .integer(let number) = try value(key), (0...1 << 40).contains(number) else {
      throw mismatch(key, "a whole number from 0")
    }
    return number
  }

  /// A cost: small enough that the sum over any trace fits 64 bits.
  func cycles(_ key: String) throws(MachineReader.Problem) -> UInt64 {
    guard case .integer(let number) = try value(key), (0...1_000_000_000).contains(number) else {
      throw mismatch(key, "cycles from 0 to 1000000000")
    }
    return UInt64(number)
  }

  /// The key `ways`: a divisor of the entries, or "full".
  func ways(of entries: Int) throws(MachineReader.Problem) -> Int {
    let value = try value("ways")
    if value == .string("full") { return max(entries, 1) }
    guard case .integer(let ways) = value, ways > 0 else { throw mismatch("ways", "a whole number from 1, or full") }
    if entries % ways != 0 { throw mismatch("ways", "a divisor of the \(entries) entries, or full") }
    return ways
  }

  /// Complains about a key that nothing has asked for.
  func finish(allowing others: Set<String> = []) throws(MachineReader.Problem) {
    guard let extra = keys.first(where: { !known.contains($0) && !others.contains($0) }) else { return }
    let expected = known.sorted().joined(separator: ", ")
    throw MachineReader.Problem(message: "\(name(extra)): no such key; expected \(expected)")
  }

  private func value(_ key: String) throws(MachineReader.Problem) -> JSONValue {
    known.insert(key)
    guard let value = members[key] else { throw MachineReader.Problem(message: "\(name(key)) is missing") }
    return value
  }

  private func mismatch(_ key: String, _ expected: String) -> MachineReader.Problem {
    MachineReader.Problem(message: "\(name(key)) is \(members[key]?.text ?? "missing"), expected \(expected)")
  }
}
