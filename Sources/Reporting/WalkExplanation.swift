public import Machine
import Paging

/// A translation, step by step, for people.
public enum WalkExplanation {
  /// The steps as text; `isNested`: the walks have two dimensions, and are drawn as the grid of the textbooks too;
  /// `guest`: the steps of native hardware, to stand beside those through a table of the hypervisor's.
  public static func text(_ steps: [WalkStep], isNested: Bool, beside guest: [WalkStep]? = nil) -> String {
    var text = ""
    var walk: [WalkStep] = []
    var walks = 0
    for step in steps {
      switch step {
      case .lookUp(let level, let found):
        text += "L\(level) TLB: " + (found.map { "hit, machine page \(hex($0.raw)); without it:" } ?? "miss") + "\n"
      case .walk:
        walks += 1
        walk = []
      case .reference, .cached: walk.append(step)
      case .frame: break
      case .stopped, .translated:
        text += (walks > 0 ? "\nwalk \(walks)\n" : "") + list(walk, isNested)
        if isNested && !walk.isEmpty { text += "\n" + grid(walk) + "\n" }
        text += "  " + ending(step) + "\n"
      }
    }
    if isNested && walks > 0 { text += "\n" + legend }
    if let guest { text += "\n" + sideBySide(walk, guest) }
    return text + accounts(steps)
  }

  /// The last walk through the hypervisor's table beside the guest's own tables, level by level.
  private static func sideBySide(_ walk: [WalkStep], _ guest: [WalkStep]) -> String {
    var levels: [Int: [String]] = [:]
    for (column, steps) in [walk, guest].enumerated() {
      for case .reference(let reference) in steps {
        var cells = levels[reference.level] ?? ["-", "-", "-", "-"]
        cells[2 * column] = hex(reference.address.raw)
        cells[2 * column + 1] = hex(reference.value)
        levels[reference.level] = cells
      }
    }
    var table = TextTable()
    table.row("  level", ["shadow at", "value", "guest's at", "value"])
    for level in levels.keys.sorted(by: >) { table.row("  L\(level)", levels[level] ?? []) }
    return "the hypervisor's table beside the guest's own, where both were read\n" + table.text()
  }

  /// What the hypervisor books of the frames that were met.
  private static func accounts(_ steps: [WalkStep]) -> String {
    var table = TextTable()
    table.row("  frame", ["type count", "references", "type"])
    var isEmpty = true
    for case .frame(let account) in steps {
      isEmpty = false
      table.row(
        "  " + hex(account.frame.raw), [String(account.typeCount), String(account.references), account.type])
    }
    return isEmpty ? "" : "\nthe hypervisor's books of these frames\n" + table.text()
  }

  private static func ending(_ step: WalkStep) -> String {
    switch step {
    case .translated(let frame, let size):
      "the page is machine page \(hex(frame.raw)), for the TLB a page of \(size.name)"
    case .stopped(let what): what
    default: ""
    }
  }

  /// One line a reference or answer of a cache, in order.
  private static func list(_ walk: [WalkStep], _ isNested: Bool) -> String {
    var table = TextTable()
    table.row("    #", ["entry at", "value", "in", "to find"])
    var number = 0
    for step in walk {
      switch step {
      case .reference(let reference):
        if !reference.isCached { number += 1 }
        let dimension = reference.dimension == .nested ? "nested" : isNested ? "guest" : "table"
        let aim = reference.dimension == .nested ? reference.row : next(reference)
        table.row(
          reference.isCached ? "    -" : "    \(number)",
          [
            hex(reference.address.raw), hex(reference.value), "\(dimension) L\(reference.level)",
            name(aim) + (reference.isCached ? " (page-walk cache)" : ""),
          ])
      case .cached(let hit):
        let rest = hit.nextLevel == 0 ? "nothing more to read" : "on at L\(hit.nextLevel)"
        table.row("    -", ["\(hit.cache.rawValue):", hex(hit.frame.raw << 12), rest, name(hit.row)])
      default: break
      }
    }
    return table.text()
  }

  /// What an entry of the guest's, or of a one-dimensional walk, points to: a table's level, or 0 the page.
  private static func next(_ reference: WalkReference) -> Int {
    PageTableEntry<MachineSpace>(reference.value).isLeaf(level: reference.level) ? 0 : reference.level - 1
  }

  private static func name(_ row: Int) -> String { row == 0 ? "the page" : "the L\(row) table" }

  /// Rows are what is looked for, columns the entries read for it; the cells are the numbers of the references.
  private static func grid(_ walk: [WalkStep]) -> String {
    var cells: [Int: [Int: String]] = [:]
    var (number, top, levels) = (0, 0, 0)
    for step in walk {
      switch step {
      case .reference(let reference):
        if !reference.isCached { number += 1 }
        top = max(top, reference.row)
        let column = reference.dimension == .guest ? 0 : reference.level
        levels = max(levels, column)
        cells[reference.row, default: [:]][column] = reference.isCached ? "hit" : String(number)
      case .cached(let hit):
        // The column that the cache spared last, or the guest's rows above.
        top = max(top, hit.row)
        if hit.cache != .structures { cells[hit.row, default: [:]][hit.nextLevel + 1] = "hit" }
        if hit.cache != .structures { levels = max(levels, hit.nextLevel + 1) }
      default: break
      }
    }
    var table = TextTable()
    let columns = Array((1...max(levels, 1)).reversed())
    table.row("", columns.map { "nested L\($0)" } + ["guest's entry"])
    for row in (0...top).reversed() {
      let line = cells[row] ?? [:]
      table.row("    " + name(row), (columns + [0]).map { line[$0] ?? "." })
    }
    return table.text()
  }

  private static let legend = """
    How to read the grid: the guest's tables, and the page in the end, lie at physical addresses. A row finds one of
    them: the entries of the nested table, from left to right, give the machine address behind the physical one; only
    then can the guest's entry, the last of the row, be read, and it says where the next row's table lies. Numbers are
    those of the references above; "hit": a cache knew the entry or, of the nested table, what it and the rest to the left
    lead to; ".": nothing was read.

    """

  private static func hex(_ value: UInt64) -> String { String(value, radix: 16) }
}
