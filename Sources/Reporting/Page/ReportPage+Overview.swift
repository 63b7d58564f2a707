extension ReportPage {
  /// What was run, and what must be looked at first.
  var overview: String {
    var text = "<header>\n<h1>memlab report</h1>\n"
    text += "<p class=\"note\">From \(HTML.escaped(tables.map(\.name).joined(separator: ", "))). "
    text += "Point at, tap or focus a figure or a dotted name for its definition.</p>\n</header>\n"
    text += warnings
    if runs.isEmpty { return text }
    text += "<section id=\"runs\">\n<h2>What was run</h2>\n<dl class=\"facts\">\n"
    let skipped = runs.count { $0["status"] == "skipped" }
    let failed = runs.count { $0["status"] == "failed" }
    var counts = "\(counted.count) run\(counted.count == 1 ? "" : "s")"
    if skipped > 0 { counts += ", \(skipped) skipped" }
    if failed > 0 { counts += ", \(failed) failed" }
    text += fact("Runs", counts)
    text += fact("Traces", traces)
    text += fact("Modes", Self.distinct(runs.map(\.mode)).joined(separator: ", "))
    text += fact("Machines", Self.distinct(runs.map(\.machine)).joined(separator: ", "))
    text += fact("Settings", settings)
    text += fact("Made by", origins)
    text += "</dl>\n" + reasons + "</section>\n"
    return text
  }

  private func fact(_ name: String, _ value: String) -> String {
    value.isEmpty ? "" : "<div><dt>\(name)</dt><dd>\(HTML.escaped(value))</dd></div>\n"
  }

  /// Each trace with its length and, if it is known, its checksum.
  private var traces: String {
    Self.distinct(
      runs.map { run in
        let operations = runs.filter { $0.trace == run.trace }.map { $0.count("operations") }.max() ?? 0
        let checksum = run["trace_checksum"]
        return
          "\(run.trace) (\(Decimal.grouped(operations)) operations\(checksum.isEmpty ? "" : ", XXH64 \(checksum)"))"
      }
    ).joined(separator: "; ")
  }

  /// The settings of all runs, and the keys that took several values.
  private var settings: String {
    let common = ReportGroup.commonSettings(runs)
    var values: [String: [String]] = [:]
    for setting in runs.flatMap(\.settings) where !common.contains(setting) {
      let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let value = parts.last ?? ""
      if values[parts[0]]?.contains(value) != true { values[parts[0], default: []].append(value) }
    }
    let varied = values.keys.sorted().map { "\($0)=\((values[$0] ?? []).joined(separator: "|"))" }
    return (common + varied).joined(separator: " ")
  }

  /// The memlabs that made the rows, as far as the rows tell.
  private var origins: String {
    Self.distinct(
      runs.filter { !$0["version"].isEmpty }.map { run in
        let revision = run["revision"].isEmpty ? "" : ", commit \(run["revision"].prefix(12))"
        return "memlab \(run["version"])\(revision), build \(run["build"]), plan \(run["plan_checksum"])"
      }
    ).joined(separator: "; ")
  }

  private var warnings: String {
    let diverged = counted.filter { $0.count("divergences") > 0 }
    if diverged.isEmpty { return "" }
    let names = diverged.prefix(5).map { "\($0.trace) under \($0.mode)" }.joined(separator: ", ")
    return """
      <p class="warning" role="alert">\(HTML.term("divergences", "Divergences")) in \(diverged.count) \
      run\(diverged.count == 1 ? "" : "s"), whose figures are not to be trusted: \
      \(HTML.escaped(names))\(diverged.count > 5 ? ", …" : "").</p>

      """
  }

  /// Why points of a sweep have no counters.
  private var reasons: String {
    let without = runs.filter { !$0.hasCounters }
    if without.isEmpty { return "" }
    var text = "<details>\n<summary>Why \(without.count) points have no figures</summary>\n<ul>\n"
    for reason in Self.distinct(without.map { $0["reason"] }) {
      let count = without.count { $0["reason"] == reason }
      text += "<li>\(count) point\(count == 1 ? "" : "s"): \(HTML.escaped(reason))</li>\n"
    }
    return text + "</ul>\n</details>\n"
  }
}
