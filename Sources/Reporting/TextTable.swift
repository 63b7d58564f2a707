/// A table for people: a label column at the left, the other columns set flush right.
public struct TextTable {
  private enum Line {
    case row(label: String, cells: [String])
    case heading(String)
  }

  private var lines: [Line] = []

  public init() {}

  /// Starts a group; a group without rows does not show.
  public mutating func heading(_ title: String) {
    if case .heading? = lines.last { lines.removeLast() }
    lines.append(.heading(title))
  }

  public mutating func row(_ label: String, _ cells: [String]) { lines.append(.row(label: label, cells: cells)) }

  /// The lines, each with its line end; the first row is followed by nothing special.
  public func text() -> String {
    var widths: [Int] = []
    var labelWidth = 0
    for case .row(let label, let cells) in lines {
      labelWidth = max(labelWidth, label.count)
      for (index, cell) in cells.enumerated() {
        if index == widths.count { widths.append(0) }
        widths[index] = max(widths[index], cell.count)
      }
    }
    var text = ""
    for (index, line) in lines.enumerated() {
      switch line {
      case .heading(let title):
        if index + 1 < lines.count { text += title + "\n" }
      case .row(let label, let cells):
        text += label + Self.blanks(labelWidth - label.count)
        for (width, cell) in zip(widths, cells) { text += Self.blanks(width - cell.count + 3) + cell }
        text += "\n"
      }
    }
    return text
  }

  private static func blanks(_ count: Int) -> String { String(repeating: " ", count: count) }
}
