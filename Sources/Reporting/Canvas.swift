/// An SVG that grows as things are drawn on it.
struct Canvas {
  static let margin = 24
  private static let box = (width: 176, height: 46, gap: 26)
  private static let label = 120

  private var body = ""
  private var width = 640

  mutating func text(_ x: Int, _ y: Int, _ text: String, style: String) {
    // Nine units a character at most, in the sizes below.
    width = max(width, x + text.count * 9 + Self.margin)
    body += "<text x=\"\(x)\" y=\"\(y)\" class=\"\(style)\">\(Self.escaped(text))</text>\n"
  }

  /// A walk of two dimensions: a row for each table of the guest's; returns the lower end.
  mutating func grid(_ grid: WalkGrid, at top: Int) -> Int {
    var y = top
    var before: (x: Int, y: Int)?
    for row in grid.rows {
      text(Self.margin, y + 28, row == 0 ? "the page" : "the L\(row) table", style: "text")
      for (index, column) in grid.columns.enumerated() {
        guard let cell = grid.cells[row]?[column] else { continue }
        let x = Self.margin + Self.label + index * (Self.box.width + Self.box.gap)
        if let before { arrow(from: before, to: (x, y + Self.box.height / 2)) }
        draw(cell, x, y, isGuest: column == 0)
        before = (x + Self.box.width, y + Self.box.height / 2)
      }
      y += Self.box.height + Self.box.gap
    }
    return y
  }

  /// A walk of one dimension: its entries in one line.
  mutating func line(_ grid: WalkGrid, at top: Int) -> Int {
    var x = Self.margin
    var before: (x: Int, y: Int)?
    for row in grid.rows {
      guard let cell = grid.cells[row]?[0] else { continue }
      if let before { arrow(from: before, to: (x, top + Self.box.height / 2)) }
      draw(cell, x, top, isGuest: true)
      before = (x + Self.box.width, top + Self.box.height / 2)
      x += Self.box.width + Self.box.gap
    }
    return top + Self.box.height + 10
  }

  private mutating func draw(_ cell: WalkGrid.Cell, _ x: Int, _ y: Int, isGuest: Bool) {
    let style = cell.number == nil ? "cached" : isGuest ? "guest" : "nested"
    width = max(width, x + Self.box.width + Self.margin)
    body += "<rect x=\"\(x)\" y=\"\(y)\" width=\"\(Self.box.width)\" height=\"\(Self.box.height)\" rx=\"6\" "
    body += "class=\"\(style)\"/>\n"
    text(x + 8, y + 18, (cell.number.map { "\($0)  " } ?? "") + cell.caption, style: "cell")
    text(x + 8, y + 36, cell.detail, style: "detail")
  }

  /// To the right, or from the end of one row to the beginning of the next.
  private mutating func arrow(from: (x: Int, y: Int), to: (x: Int, y: Int)) {
    let path =
      from.y == to.y
      ? "M\(from.x) \(from.y) H\(to.x - 4)"
      : "M\(from.x) \(from.y) h10 V\((from.y + to.y) / 2) H\(to.x - 14) V\(to.y) H\(to.x - 4)"
    body += "<path d=\"\(path)\" class=\"arrow\" marker-end=\"url(#tip)\"/>\n"
  }

  func document(height: Int) -> String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \(height)">
    <style>
    svg { background: #fff; font-family: system-ui, sans-serif; }
    text { fill: #1a1a1a; font-size: 13px; } .title { font-size: 14px; font-weight: 600; } .head { font-weight: 600; }
    .detail { font-family: ui-monospace, monospace; font-size: 11px; }
    rect { stroke-width: 1.5; } .guest { fill: #dbe9ff; stroke: #2b62b4; } .nested { fill: #ffe9cf; stroke: #b4691f; }
    .cached { fill: #eef3ee; stroke: #5b8a5b; stroke-dasharray: 4 3; }
    .arrow { fill: none; stroke: #666; stroke-width: 1.5; } marker path { fill: #666; }
    @media (prefers-color-scheme: dark) {
      svg { background: #16181c; } text { fill: #e6e6e6; } .arrow { stroke: #9aa0a6; } marker path { fill: #9aa0a6; }
      .guest { fill: #1d3557; stroke: #7fb0ff; } .nested { fill: #4a3115; stroke: #f0a860; }
      .cached { fill: #1f2a20; stroke: #8fbf8f; }
    }
    </style>
    <defs><marker id="tip" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="6" markerHeight="6" orient="auto">
    <path d="M0 0 L8 4 L0 8 z"/></marker></defs>
    \(body)</svg>

    """
  }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      default: result.append(character)
      }
    }
    return result
  }
}
