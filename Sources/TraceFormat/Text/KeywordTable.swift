internal import Paging

/// Finds an operation by its name.
struct KeywordTable {
  struct Entry {
    /// The first eight bytes of the name.
    var key: UInt64
    var name: [UInt8]
    var syntax: OperationSyntax
    var isUser: Bool
  }

  static let shared = KeywordTable()

  /// Loads, stores and fetches come first: nearly every line is one.
  private let entries: [Entry]

  private init() {
    entries = OperationSyntax.all.flatMap { syntax in
      syntax.hasModes
        ? [Self.entry(syntax.name, syntax, isUser: true), Self.entry(syntax.name.uppercased(), syntax, isUser: false)]
        : [Self.entry(syntax.name, syntax, isUser: false)]
    }
  }

  private static func entry(_ name: String, _ syntax: OperationSyntax, isUser: Bool) -> Entry {
    let bytes = Array(name.utf8)
    return Entry(key: key(bytes.span, bytes.indices), name: bytes, syntax: syntax, isUser: isUser)
  }

  func find(_ line: Span<UInt8>, _ word: Range<Int>) -> Int? {
    let key = Self.key(line, word)
    return entries.firstIndex { entry in
      entry.key == key && entry.name.count == word.count
        && (word.count <= 8 || entry.name.indices.allSatisfy { entry.name[$0] == line[word.lowerBound + $0] })
    }
  }

  subscript(_ index: Int) -> Entry { entries[index] }

  private static func key(_ line: Span<UInt8>, _ word: Range<Int>) -> UInt64 {
    word.prefix(8).reduce(0) { $0 << 8 | UInt64(line[$1]) }
  }
}
