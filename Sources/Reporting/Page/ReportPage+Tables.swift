extension ReportPage {
  private static var subjects: [(title: String, definitions: [Definition])] {
    [
      ("Accesses and translations", Definitions.accesses), ("Page walks", Definitions.walks),
      ("Faults", Definitions.faults), ("Causes of hidden faults", Definitions.causes), ("Exits", Definitions.exits),
      ("Shadow tables", Definitions.shadowTables), ("Memory", Definitions.memory), ("Cycles", Definitions.cycles),
      ("Guest kernel", Definitions.kernel), ("TLBs that software fills", Definitions.softwareTLB),
      ("Dirty log", Definitions.dirtyLog), ("Nested table", Definitions.nestedTable),
      ("Shared pages and devices", Definitions.devices),
      ("Machines on a host", Definitions.host),
    ]
  }

  /// Every figure, in tables by subject. What is 0 in every run is left out.
  var tablesSection: String {
    var text = "<section id=\"tables\">\n<h2>All figures</h2>\n"
    text +=
      "<p class=\"note\">A click on a column's head sorts by it. Columns that are 0 in every run are left out.</p>\n"
    let runColumns = ["operations", "divergences", "stale_hits", "seconds", "operations_per_second"]
    text += table("Runs", runColumns.filter { $0 != "stale_hits" || isUsed($0) })
    for (title, definitions) in Self.subjects {
      let columns = definitions.map(\.column).filter(isUsed)
      if !columns.isEmpty { text += table(title, columns) }
    }
    let known = Set(Definitions.all.map(\.column))
    let others = Self.distinct(tables.filter { $0.kind == .runs }.flatMap(\.columns)).filter { !known.contains($0) }
    let used = others.filter { isUsed($0) }
    if !used.isEmpty {
      text += "<p class=\"note\">Without a definition: \(HTML.escaped(used.joined(separator: ", ")))</p>\n"
    }
    return text + "</section>\n"
  }

  private func isUsed(_ column: String) -> Bool { counted.contains { $0.count(column) > 0 } }

  private func table(_ title: String, _ columns: [String]) -> String {
    var text = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"\(title)\">\n"
    text += "<table class=\"sortable\">\n<caption>\(title)</caption>\n<thead><tr>"
    text += head("trace", "trace", unit: nil) + head("mode", "mode", unit: nil)
    for column in columns { text += head(column, column, unit: Definitions.of(column)?.unit ?? "") }
    text += "</tr></thead>\n<tbody>\n"
    for group in groups {
      for run in group.runs {
        text +=
          "<tr><th scope=\"row\">\(HTML.escaped(group.label))</th><td class=\"text\">\(HTML.escaped(run.mode))</td>"
        for column in columns { text += cell(run[column]) }
        text += "</tr>\n"
      }
    }
    return text + "</tbody>\n</table>\n</div>\n"
  }

  private func head(_ column: String, _ label: String, unit: String?) -> String {
    let unit = unit.map { " <span class=\"unit\">\(HTML.escaped($0))</span>" } ?? ""
    return
      "<th scope=\"col\" aria-sort=\"none\"><button type=\"button\" data-d=\"\(column)\">\(label)</button>\(unit)</th>"
  }

  private func cell(_ field: String) -> String {
    let shown = UInt64(field).map(Decimal.grouped) ?? field
    return "<td data-v=\"\(HTML.escaped(field))\">\(HTML.escaped(shown))</td>"
  }
}
