extension ReportPage {
  /// A figure of a bar, all bars of which have one scale.
  private struct Picture {
    let title: String
    /// The column, or derived figure, that a bar's length stands for.
    let total: String
    /// The columns that add up to it; the total alone if it has no parts.
    let parts: [String]
    let value: (ReportRun) -> Double
  }

  /// Groups whose bars are shown at once; the others wait behind a line that opens them.
  private static var openGroups: Int { 8 }

  private static var all: [Picture] {
    [
      sum(
        "Estimated cycles, by where they go", "cycles_total",
        [
          "cycles_translation", "cycles_guest", "cycles_virtualization",
        ]),
      sum(
        "Hidden faults, by class", "hidden_faults",
        [
          "hidden_fill", "hidden_trace", "hidden_dirty", "hidden_host", "hidden_other",
        ]),
      sum(
        "Exits, by reason", "exits",
        [
          "exit_fault", "exit_cr3", "exit_invlpg", "exit_hypercall", "exit_interrupt", "exit_other",
        ]),
      Picture(title: "Page-walk references a TLB miss", total: "refs_per_miss", parts: ["refs_per_miss"]) { run in
        let misses = run.count("tlb_misses")
        return misses == 0 ? 0 : Double(run.count("walk_refs")) / Double(misses)
      },
      sum("TLB misses", "tlb_misses", ["tlb_misses"]),
      sum("Pages of shadow tables, peak", "shadow_pages_peak", ["shadow_pages_peak"]),
    ]
  }

  private static func sum(_ title: String, _ total: String, _ parts: [String]) -> Picture {
    Picture(title: title, total: total, parts: parts) { Double($0.count(total)) }
  }

  /// Counts and cycles by mode.
  var pictures: String {
    var text = "<section id=\"pictures\">\n<h2>Counts and cycles by mode</h2>\n<div class=\"figures\">\n"
    for picture in Self.all {
      let largest = counted.map(picture.value).max() ?? 0
      if largest > 0 { text += figure(picture, largest: largest) }
    }
    return text + "</div>\n</section>\n"
  }

  private func figure(_ picture: Picture, largest: Double) -> String {
    let unit = Definitions.of(picture.total)?.unit ?? ""
    let isWide = ["cycles_total", "refs_per_miss"].contains(picture.total)
    var text = "<figure\(isWide ? " class=\"wide\"" : "")>\n<figcaption>\(HTML.term(picture.total, picture.title)) "
    text += "<span class=\"unit\">\(unit)</span></figcaption>\n"
    let parts = picture.parts.filter { part in picture.parts.count == 1 || counted.contains { $0.count(part) > 0 } }
    if picture.parts.count > 1 { text += legend(picture, parts) }
    for (index, group) in groups.enumerated() {
      if index == Self.openGroups { text += "<details>\n<summary>\(groups.count - index) more</summary>\n" }
      if groups.count > 1 { text += "<h3>\(HTML.escaped(group.label))</h3>\n" }
      for run in group.runs { text += bar(picture, run, in: group, largest: largest, unit: unit) }
    }
    if groups.count > Self.openGroups { text += "</details>\n" }
    return text + "</figure>\n"
  }

  private func legend(_ picture: Picture, _ parts: [String]) -> String {
    let items = parts.map { part in
      let color = picture.parts.firstIndex(of: part) ?? 0
      return "<li><span class=\"swatch b\(color)\"></span>\(HTML.term(part))</li>"
    }
    return "<ul class=\"legend\">\(items.joined())</ul>\n"
  }

  /// One row: the mode, the bar, the value with its unit.
  private func bar(
    _ picture: Picture, _ run: ReportRun, in group: ReportGroup, largest: Double, unit: String
  ) -> String {
    let total = picture.value(run)
    let isWhole = picture.parts != ["refs_per_miss"]
    let value = isWhole ? Decimal.grouped(UInt64(total)) : Decimal.fixed(total, digits: 2)
    var text = "<div class=\"row\"><span class=\"mode\">\(HTML.escaped(run.mode))</span>"
    text += "<svg class=\"bar\" role=\"img\" aria-label=\"\(HTML.escaped("\(run.mode): \(value) \(unit)"))\">"
    var start = 0.0
    for (color, part) in picture.parts.enumerated() {
      let share = picture.parts.count == 1 ? total : Double(run.count(part))
      if share == 0 { continue }
      let shown = isWhole ? Decimal.grouped(UInt64(share)) : value
      text += "<rect class=\"b\(color)\" x=\"\(percent(start / largest))\" width=\"\(percent(share / largest))\""
      text += " height=\"100%\" data-d=\"\(part)\" data-v=\"\(shown)\"/>"
      start += share
    }
    text += "</svg><span class=\"value\"><b data-d=\"\(picture.total)\">\(value)</b> \(HTML.escaped(unit))"
    if picture.total == "cycles_total", let native = group.native, native.mode != run.mode {
      let base = native.count("cycles_total")
      if base > 0 {
        let ratio = Decimal.fixed(total / Double(base), digits: 2)
        text += " <small><span data-d=\"against_native\">\(ratio)</span> × native</small>"
      }
    }
    return text + "</span></div>\n"
  }

  private func percent(_ share: Double) -> String { Decimal.fixed(100 * share, digits: 3) + "%" }
}
