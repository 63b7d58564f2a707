public import Machine
import Paging

/// A translation as a picture (SVG), for slides and handouts: each walk a grid, its entries in the order of the references.
public struct WalkDrawing {
  /// One walk with a title: what the hardware does, or beside it what the guest's own tables say.
  public struct Panel {
    var title: String
    var steps: [WalkStep]
    var isNested: Bool

    public init(title: String, steps: [WalkStep], isNested: Bool) {
      (self.title, self.steps, self.isNested) = (title, steps, isNested)
    }
  }

  let heading: String
  let panels: [Panel]

  /// `heading` goes above the panels, which stand one below the other.
  public init(heading: String, panels: [Panel]) {
    (self.heading, self.panels) = (heading, panels)
  }

  /// The picture, complete with its colours, light and dark as the viewer prefers.
  public var svg: String {
    var canvas = Canvas()
    canvas.text(Canvas.margin, 28, heading, style: "title")
    var y = 60
    for panel in panels {
      y = draw(panel, at: y, on: &canvas) + 30
    }
    return canvas.document(height: y)
  }

  /// Draws the last walk of the steps, which is the one that got through or was refused; returns where it ends.
  private func draw(_ panel: Panel, at top: Int, on canvas: inout Canvas) -> Int {
    let accounts = panel.steps.compactMap { if case .frame(let account) = $0 { account } else { nil } }
    let walks = panel.steps.dropLast(accounts.count).split { $0 == .walk }
    let grid = WalkGrid(walks.last.map(Array.init) ?? [])
    let repeats = panel.steps.count { $0 == .walk }
    let note = repeats > 1 ? " (the last of \(repeats) walks; the others ended in hidden faults)" : ""
    canvas.text(Canvas.margin, top + 6, panel.title + note, style: "head")
    var y = top + 24
    if !grid.isEmpty {
      y = grid.columns.count > 1 ? canvas.grid(grid, at: y) : canvas.line(grid, at: y)
    }
    canvas.text(Canvas.margin, y + 14, ending(panel.steps.dropLast(accounts.count).last), style: "text")
    y += 20
    for account in accounts {
      canvas.text(Canvas.margin, y + 14, text(account), style: "text")
      y += 18
    }
    return y
  }

  private func text(_ account: FrameAccount) -> String {
    "frame \(String(account.frame.raw, radix: 16)): \(account.type); type count \(account.typeCount), "
      + "references \(account.references)"
  }

  private func ending(_ step: WalkStep?) -> String {
    switch step {
    case .translated(let frame, let size):
      "the page is machine page \(String(frame.raw, radix: 16)), for the TLB a page of \(size.name)"
    case .stopped(let what): what
    default: "the TLB knows the page"
    }
  }
}

/// The references of one walk by row (what is looked for) and column (where it is read).
struct WalkGrid {
  struct Cell {
    /// Place among the references; nil: a cache answered.
    var number: Int?
    var caption: String
    var detail: String
  }

  private(set) var cells: [Int: [Int: Cell]] = [:]
  /// Levels of the nested dimension from the top down, then 0, the guest's own entry.
  private(set) var columns: [Int] = []
  private(set) var rows: [Int] = []

  init(_ walk: [WalkStep]) {
    var number = 0
    for step in walk {
      switch step {
      case .reference(let reference):
        if !reference.isCached { number += 1 }
        let isNested = reference.dimension == .nested
        add(
          reference.row, isNested ? reference.level : 0,
          Cell(
            number: reference.isCached ? nil : number,
            caption: reference.isCached ? "page-walk cache" : (isNested ? "nested L" : "L") + String(reference.level),
            detail: String(reference.address.raw, radix: 16) + ": " + String(reference.value, radix: 16)))
      case .cached(let hit):
        let cell = Cell(
          number: nil, caption: hit.cache.rawValue.replacing("paging-structure", with: "structure"),
          detail: "gives " + String(hit.frame.raw << 12, radix: 16))
        // The guest's cache stands for the entry of the row above the one it leads to.
        add(hit.cache == .structures ? hit.row + 1 : hit.row, hit.cache == .structures ? 0 : hit.nextLevel + 1, cell)
      default: break
      }
    }
    rows = cells.keys.sorted(by: >)
    columns = Set(cells.values.flatMap(\.keys)).filter { $0 > 0 }.sorted(by: >) + [0]
  }

  var isEmpty: Bool { cells.isEmpty }

  private mutating func add(_ row: Int, _ column: Int, _ cell: Cell) { cells[row, default: [:]][column] = cell }
}
