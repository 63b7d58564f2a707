/// A JSON value of a machine file: what lies between its text and a machine, so that one figure can be overridden.
public enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// What the value looks like on a command line; containers are named only.
  public var text: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .integer(let value): String(value)
    case .number(let value): String(value)
    case .string(let value): value
    case .array: "a list"
    case .object: "a group of keys"
    }
  }

  /// Reads a scalar as it is written after `--set KEY=`.
  public init(argument: String) {
    if let value = Int(argument) {
      self = .integer(value)
    } else if argument == "true" || argument == "false" {
      self = .bool(argument == "true")
    } else {
      self = .string(argument)
    }
  }
}

extension JSONValue: Decodable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }
}

extension JSONValue {
  /// The keys one level down: an object's, or of a list the `name`s of its objects.
  public var childKeys: [String] {
    switch self {
    case .object(let members): members.keys.sorted()
    case .array(let elements): elements.compactMap(\.elementName)
    default: []
    }
  }

  /// The value under a key as ``childKeys`` lists them.
  public subscript(key: String) -> JSONValue? {
    switch self {
    case .object(let members): members[key]
    case .array(let elements): elements.first { $0.elementName == key }
    default: nil
    }
  }

  /// Replaces the value at a path that exists.
  mutating func replace(at path: ArraySlice<String>, with value: JSONValue) {
    guard let key = path.first else {
      self = value
      return
    }
    switch self {
    case .object(var members):
      members[key]?.replace(at: path.dropFirst(), with: value)
      self = .object(members)
    case .array(var elements):
      guard let index = elements.firstIndex(where: { $0.elementName == key }) else { return }
      elements[index].replace(at: path.dropFirst(), with: value)
      self = .array(elements)
    default: break
    }
  }

  private var elementName: String? {
    if case .object(let members) = self, case .string(let name)? = members["name"] { name } else { nil }
  }
}
