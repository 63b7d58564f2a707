extension ReportPage {
  /// What a series shows, as far as it is other than 0.
  private static var measures: [String] {
    [
      "cycles_total", "cycles_virtualization", "hidden_faults", "hidden_trace", "true_faults", "exits", "tlb_misses",
      "walk_refs", "guest_pte_writes", "guest_cr3_loads", "shadow_pages", "stale_hits",
    ]
  }

  /// Points of one line at most: more cannot be told apart.
  private static var pointLimit: Int { 400 }

  /// The counters over the time of the trace, a line a file.
  var seriesSection: String {
    var text = "<section id=\"series\">\n<h2>Over time</h2>\n<ul class=\"legend\">"
    for (index, table) in series.enumerated() {
      text += "<li><span class=\"swatch b\(index % 7)\"></span>\(HTML.escaped(table.name))</li>"
    }
    text += "</ul>\n<div class=\"figures plots\">\n"
    for measure in Self.measures {
      let lines = series.map { line($0, measure) }
      let largest = lines.flatMap(\.self).max() ?? 0
      if largest > 0 { text += plot(measure, lines, largest: largest) }
    }
    return text + "</div>\n</section>\n"
  }

  /// The last operation of all series: where the time axis ends.
  private var end: UInt64 {
    series.map(end(of:)).max() ?? 0
  }

  private func end(of table: ReportTable) -> UInt64 {
    (table.numbers("first_operation")?.last ?? 0) + (table.numbers("operations")?.last ?? 0)
  }

  /// Operations of a row, those of the longest if the series differ.
  private var interval: UInt64 { series.compactMap { $0.numbers("operations")?.first }.max() ?? 0 }

  /// A column of a series, thinned out to what can be shown: of a sum the mean of neighbours, of a level the last.
  private func line(_ table: ReportTable, _ measure: String) -> [Double] {
    guard let numbers = table.numbers(measure) else { return [] }
    let width = (numbers.count + Self.pointLimit - 1) / Self.pointLimit
    if width <= 1 { return numbers.map { Double($0) } }
    return stride(from: 0, to: numbers.count, by: width).map { start in
      let part = numbers[start..<min(start + width, numbers.count)]
      if isLevel(measure) { return Double(part.last ?? 0) }
      return part.reduce(0) { $0 + Double($1) } / Double(part.count)
    }
  }

  private func isLevel(_ measure: String) -> Bool {
    CounterTable.columns.first { $0.name == measure }?.isLevel ?? false
  }

  private func plot(_ measure: String, _ lines: [[Double]], largest: Double) -> String {
    var unit = Definitions.of(measure)?.unit ?? ""
    if !isLevel(measure) { unit += " in \(Decimal.grouped(interval)) operations" }
    var text = "<figure class=\"plot\" data-end=\"\(end)\">\n<figcaption>\(HTML.term(measure)) "
    text += "<span class=\"unit\">\(HTML.escaped(unit))</span></figcaption>\n"
    text += "<p class=\"axis\">\(number(largest)) \(HTML.escaped(unit))</p>\n"
    text += "<svg viewBox=\"0 0 400 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\""
    text += "\(HTML.escaped("\(measure) over the operations of the trace, at most \(number(largest)) \(unit)"))\">"
    for (index, line) in lines.enumerated() where !line.isEmpty {
      let name = HTML.escaped(series[index].name)
      let width = 400 * Double(end(of: series[index])) / Double(max(end, 1))
      text +=
        "<polyline class=\"l\(index % 7)\" data-name=\"\(name)\" data-v=\"\(line.map(number).joined(separator: " "))\" "
      text += "points=\"\(points(line, largest: largest, width: width))\"/>"
    }
    text += "</svg>\n<p class=\"axis x\"><span>operation 0</span><span>operation \(Decimal.grouped(end))</span></p>\n"
    return text + "</figure>\n"
  }

  /// The line as steps: a row stands for its whole interval.
  private func points(_ line: [Double], largest: Double, width: Double) -> String {
    var points: [String] = []
    for (index, value) in line.enumerated() {
      let y = Decimal.fixed(99 - 98 * value / largest, digits: 2)
      for place in [index, index + 1] {
        points.append(Decimal.fixed(width * Double(place) / Double(line.count), digits: 2) + "," + y)
      }
    }
    return points.joined(separator: " ")
  }

  private func number(_ value: Double) -> String {
    let text = Decimal.fixed(value, digits: 1)
    return text.hasSuffix(".0") ? Decimal.grouped(UInt64(value)) : text
  }
}
