import Machine

/// The counters of runs as one page that needs nothing else: no network, no other file.
public struct ReportPage: Sendable {
  let tables: [ReportTable]
  let runs: [ReportRun]
  let counted: [ReportRun]
  let groups: [ReportGroup]
  let series: [ReportTable]
  /// The version of memlab that makes the page.
  let version: String

  public init(_ tables: [ReportTable], version: String) {
    self.tables = tables
    self.version = version
    runs = tables.flatMap(\.runs)
    counted = runs.filter(\.hasCounters)
    groups = ReportGroup.groups(counted)
    series = tables.filter { $0.kind == .series && !$0.rows.isEmpty }
  }

  /// The page. The same tables give the same text.
  public var html: String {
    var body = overview
    if !groups.isEmpty { body += pictures }
    if !series.isEmpty { body += seriesSection }
    if !counted.isEmpty { body += tablesSection }
    body += glossary(body)
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="generator" content="memlab \(HTML.escaped(version))">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
      <title>\(HTML.escaped(title))</title>
      <style>
      \(Self.style)</style>
      </head>
      <body>
      <main>
      \(body)</main>
      <div id="tip" role="tooltip" hidden></div>
      <script>
      \(Self.script)</script>
      </body>
      </html>

      """
  }

  private var title: String {
    let traces = Self.distinct(runs.map(\.trace))
    let names = traces.isEmpty ? series.map(\.name) : traces
    return "memlab: " + names.prefix(4).joined(separator: ", ") + (names.count > 4 ? " and others" : "")
  }

  /// The values in the order in which they first come.
  static func distinct(_ values: [String]) -> [String] {
    var seen = Set<String>()
    return values.filter { seen.insert($0).inserted }
  }

  /// The columns that elements of the page refer to. In one pass, for a page of a long sweep has megabytes.
  static func mentioned(in body: String) -> Set<String> {
    let (bytes, mark) = (Array(body.utf8), Array(" data-d=\"".utf8))
    var columns: Set<String> = []
    var position = 0
    while position + mark.count < bytes.count {
      guard bytes[position] == mark[0], bytes[position..<position + mark.count].elementsEqual(mark) else {
        position += 1
        continue
      }
      position += mark.count
      let end = bytes[position...].firstIndex(of: UInt8(ascii: "\"")) ?? bytes.count
      columns.insert(String(decoding: bytes[position..<end], as: UTF8.self))
      position = end
    }
    return columns
  }

  /// The definitions of every column that the page mentions.
  private func glossary(_ body: String) -> String {
    var text = "<section id=\"definitions\">\n<h2>Definitions</h2>\n<dl>\n"
    let mentioned = Self.mentioned(in: body)
    for definition in Definitions.all + Definitions.derived where mentioned.contains(definition.column) {
      text += "<div id=\"def-\(definition.column)\"><dt>\(definition.column)"
      if !definition.isText { text += " <span class=\"unit\">\(HTML.escaped(definition.unit))</span>" }
      text += "</dt><dd>\(HTML.escaped(definition.meaning))"
      if !definition.term.isEmpty {
        text += " <span class=\"note\">In lectures: \(HTML.escaped(definition.term)).</span>"
      }
      if definition.modes.count < 5 {
        let modes = definition.modes.map(\.rawValue).joined(separator: ", ")
        text += " <span class=\"note\">Modes: \(modes).</span>"
      }
      text += "</dd></div>\n"
    }
    return text + "</dl>\n</section>\n"
  }
}
