import Reporting
import Reproductions

/// `memlab reproduce`: published results run again.
struct ReproduceCommand {
  private let reproductions: [Reproduction]
  private let isList: Bool
  private let isMarkdown: Bool
  private let seed: UInt64

  init(_ words: [String]) throws(Failure) {
    let arguments = try Arguments(words, options: [.value("--seed"), .flag("--markdown")])
    let names = try arguments.operands(1...Int.max - 1, "list, all, or names; `memlab reproduce list` shows them")
    isList = names == ["list"]
    isMarkdown = arguments.has("--markdown")
    seed = try arguments.count("--seed") ?? 1
    var chosen: [Reproduction] = []
    for name in names where !isList {
      if name == "all" {
        chosen += Reproduction.all
      } else if let one = Reproduction.named(name) {
        chosen.append(one)
      } else {
        throw .unknown("experiment", name, among: Reproduction.all.map(\.name) + ["all", "list"])
      }
    }
    reproductions = chosen
  }

  func run() throws(Failure) -> Int32 {
    if isList {
      let width = Reproduction.all.map(\.name.count).max() ?? 0
      for one in Reproduction.all {
        let blanks = String(repeating: " ", count: width - one.name.count)
        try Output.print("\(one.name)\(blanks)  \(one.claim)\n")
      }
      return 0
    }
    for (index, one) in reproductions.enumerated() {
      if Cancellation.isOn { throw Failure(.interrupted, "") }
      let figures: [Figure]
      do { figures = try one.run(seed: seed) } catch { throw Failure(.internalError, "\(one.name): \(error)") }
      if index > 0 { try Output.print("\n") }
      try Output.print(isMarkdown ? Self.markdown(one, figures) : Self.text(one, figures))
    }
    return 0
  }

  private static func text(_ one: Reproduction, _ figures: [Figure]) -> String {
    var text = "\(one.name): \(one.claim)\n  published: \(one.source)\n  run:       \(one.setup)\n"
    if !one.remark.isEmpty { text += "  note:      \(one.remark)\n" }
    var table = TextTable()
    table.row("", ["published", "accepted", "memlab", "unit", ""])
    for figure in figures {
      table.row(
        "  " + figure.label,
        [
          figure.published.isEmpty ? "-" : figure.published, accepted(figure), short(figure.measured), figure.unit,
          verdict(figure),
        ])
    }
    text += "\n" + table.text()
    for figure in figures where !figure.isMet {
      text += "  missed, \(figure.label): \(figure.reason.isEmpty ? "not explained" : figure.reason)\n"
    }
    let met = figures.count(where: \.isMet)
    return text + "\n  \(met) of \(figures.count) figures as expected\n"
  }

  private static func markdown(_ one: Reproduction, _ figures: [Figure]) -> String {
    var text = "## \(one.name)\n\n\(one.claim)\n\nPublished: \(one.source). Run: \(one.setup). \(one.remark)\n\n"
    text += "| figure | unit | published | accepted | memlab | verdict |\n|---|---|---|---|---|---|\n"
    for figure in figures {
      let reason = figure.isMet || figure.reason.isEmpty ? "" : ": " + figure.reason
      text += "| \(figure.label) | \(figure.unit) | \(figure.published) | \(accepted(figure)) "
      text += "| \(short(figure.measured)) | \(verdict(figure))\(reason) |\n"
    }
    return text
  }

  private static func verdict(_ figure: Figure) -> String { figure.isMet ? "met" : "MISSED" }

  private static func accepted(_ figure: Figure) -> String {
    let (low, high) = (figure.accepted.lowerBound, figure.accepted.upperBound)
    if low == high { return short(low) }
    if low == 1.0001 { return "over 1" }
    if high == 0.9999 { return "\(short(low)) to under 1" }
    return "\(short(low)) to \(short(high))"
  }

  /// Three significant digits behind small numbers, none behind large ones.
  private static func short(_ value: Double) -> String {
    value == value.rounded() ? Decimal.fixed(value, digits: 0) : Decimal.fixed(value, digits: abs(value) < 100 ? 2 : 0)
  }
}
