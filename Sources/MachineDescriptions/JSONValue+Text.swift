internal import FoundationEssentials

/// Why some text is no JSON that can be meant.
public struct JSONProblem: Error, Hashable, Sendable {
  public var message: String
}

extension JSONValue {
  /// Reads a whole text. `shownBy`: the file's path, for a command that shows where it is wrong, if there is one.
  public init(text: [UInt8], shownBy path: String = "") throws(JSONProblem) {
    do {
      self = try JSONDecoder().decode(JSONValue.self, from: Data(text))
    } catch {
      // The decoder does not say where it went wrong.
      let command = "python3 -m json.tool" + (path.isEmpty ? "" : " " + path)
      throw JSONProblem(message: "not valid JSON (\(command) shows where)")
    }
    var keys = RepeatedKey(text)
    // Of a key that stands twice the decoder takes one and says nothing.
    if let (key, line) = keys.find() {
      throw JSONProblem(message: "line \(line): the key \"\(key)\" stands twice in one group, expected once")
    }
  }
}

/// Looks through valid JSON for an object that has a key twice. Keys are compared as they are written.
private struct RepeatedKey {
  private let text: [UInt8]
  private var position = 0
  private var line = 1

  init(_ text: [UInt8]) { self.text = text }

  mutating func find() -> (key: String, line: Int)? {
    // For each open group the keys it has so far; nil for a list.
    var open: [Set<String>?] = []
    var isKeyNext = false
    while position < text.count {
      let byte = text[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\n"): line += 1
      case UInt8(ascii: "{"):
        open.append([])
        isKeyNext = true
      case UInt8(ascii: "["):
        open.append(nil)
        isKeyNext = false
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        open.removeLast()
        isKeyNext = false
      case UInt8(ascii: ","): isKeyNext = open.last?.map { _ in true } ?? false
      case UInt8(ascii: "\""):
        let string = restOfString()
        if isKeyNext, let top = open.indices.last, open[top]?.insert(string).inserted == false { return (string, line) }
        isKeyNext = false
      default: break
      }
    }
    return nil
  }

  /// Up to the closing quotation mark, which is passed.
  private mutating func restOfString() -> String {
    let start = position
    while position < text.count && text[position] != UInt8(ascii: "\"") {
      position += text[position] == UInt8(ascii: "\\") ? 2 : 1
    }
    let end = min(position, text.count)
    position += 1
    return String(decoding: text[start..<end], as: UTF8.self)
  }
}
