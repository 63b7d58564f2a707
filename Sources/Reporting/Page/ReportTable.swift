import Machine

/// A CSV of memlab's that a page is made from.
public struct ReportTable: Sendable {
  enum Kind: Sendable {
    /// A row a run: `memlab replay --csv`, `memlab sweep`.
    case runs
    /// A row an interval of one run: `memlab replay --series`.
    case series
  }

  /// The file's name without its folder.
  let name: String
  let kind: Kind
  let columns: [String]
  let rows: [[String]]

  /// - Throws: if the text is no table, or neither runs nor a series.
  public init(name: String, text: String) throws(CSV.ReadingError) {
    self.name = name.split(separator: "/").last.map(String.init) ?? name
    // The header alone first: what is no table of memlab's is not to be told how many fields it lacks.
    guard let columns = try CSV.records(String(text.prefix { !$0.isNewline })).first else {
      throw CSV.ReadingError(line: 1, message: "is empty")
    }
    if columns.first == "first_operation" {
      kind = .series
    } else if columns.contains("trace") && columns.contains("mode") {
      kind = .runs
    } else {
      throw CSV.ReadingError(
        line: 1, message: "neither rows of runs (columns trace, mode) nor a series (first column first_operation)")
    }
    self.columns = columns
    rows = Array(try CSV.records(text).dropFirst())
    guard !rows.isEmpty else { throw CSV.ReadingError(line: 2, message: "expected a row behind the header") }
    for (index, row) in rows.enumerated() {
      if let mode = columns.firstIndex(of: "mode"), Mode(rawValue: row[mode]) == nil {
        throw CSV.ReadingError(line: index + 2, message: "no mode '\(row[mode])'")
      }
      for (column, field) in zip(columns, row) where Self.isNumber(column) {
        if !field.isEmpty && UInt64(field) == nil {
          throw CSV.ReadingError(line: index + 2, message: "\(column) is '\(field)', expected a whole number")
        }
      }
    }
  }

  /// Whether a column holds whole numbers.
  private static func isNumber(_ column: String) -> Bool {
    guard let definition = Definitions.of(column) else { return false }
    return !definition.isText && definition.unit != "seconds"
  }

  /// The runs of the table.
  var runs: [ReportRun] {
    kind == .runs ? rows.map { ReportRun(Dictionary(zip(columns, $0)) { first, _ in first }) } : []
  }

  /// A column of a series; nil if it has none of that name.
  func numbers(_ column: String) -> [UInt64]? {
    guard let index = columns.firstIndex(of: column) else { return nil }
    return rows.map { UInt64($0[index]) ?? 0 }
  }
}

/// One row of a table of runs.
struct ReportRun: Sendable {
  let fields: [String: String]

  init(_ fields: [String: String]) { self.fields = fields }

  subscript(_ column: String) -> String { fields[column] ?? "" }

  var trace: String { self["trace"] }
  var mode: String { self["mode"] }
  var machine: String { self["machine"] }
  var settings: [String] { self["settings"].split(separator: " ").map(String.init) }
  /// Rows of a replay have no status: they came to their end.
  var hasCounters: Bool { ["", "ok", "diverged"].contains(self["status"]) }

  /// A counter; 0 if the row has none of that name.
  func count(_ column: String) -> UInt64 { UInt64(self[column]) ?? 0 }
}
