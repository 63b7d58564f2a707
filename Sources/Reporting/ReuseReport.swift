public import Machine
internal import Paging

/// The misses of TLBs of every size, for people and as CSV.
public struct ReuseReport: Sendable {
  private let trace: String
  private let curves: ReuseCurves

  public init(trace: String, _ curves: ReuseCurves) {
    self.trace = trace
    self.curves = curves
  }

  // MARK: Text

  /// Powers of two, and the size from which on nothing changes.
  private var sizes: [Int] {
    var sizes: [Int] = []
    var size = 1
    while size < curves.largest {
      sizes.append(size)
      size *= 2
    }
    return sizes + [curves.largest]
  }

  /// A table with a bar for each size.
  public var text: String {
    let used = curves.curves.filter { $0.misses(entries: 1) > 0 }
    var table = TextTable()
    table.row("entries", ["misses", "per 1,000 accesses"] + used.map(\.title) + ["faults"])
    for size in sizes {
      let misses = curves.misses(entries: size)
      let cells = [Decimal.grouped(misses), Decimal.ratio(1000 * misses, per: curves.accesses, digits: 3)]
      let parts = used.map { Decimal.grouped($0.misses(entries: size)) }
      table.row(Decimal.grouped(UInt64(size)), cells + parts + [Decimal.grouped(curves.faults)])
    }
    var lines = table.text().split(separator: "\n").map(String.init)
    for (index, size) in sizes.enumerated() {
      let bar = Self.bar(curves.misses(entries: size), of: curves.misses(entries: 1))
      if !bar.isEmpty { lines[index + 1] += "   " + bar }
    }
    return heading + lines.joined(separator: "\n") + "\n" + note
  }

  private var heading: String {
    "\(trace): misses of a fully associative TLB with so many entries an array, of "
      + "\(Decimal.grouped(curves.accesses)) accesses\n\n"
  }

  private var note: String {
    guard curves.staleHits > 0 else { return "" }
    return "\n\(Decimal.grouped(curves.staleHits)) look-ups found, in some sizes, what the guest had changed without a "
      + "flush: counts may differ by as many from those of single replays.\n"
  }

  /// A bar of at most 32 characters, in eighths of one; what is not nothing has one eighth at least.
  private static func bar(_ part: UInt64, of whole: UInt64) -> String {
    guard whole > 0, part > 0 else { return "" }
    let eighths = max(1, Int((256 * Double(part) / Double(whole)).rounded()))
    let ends = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
    return String(repeating: "█", count: eighths / 8) + ends[eighths % 8]
  }

  // MARK: CSV

  /// A row for each size at which a count of the trace changes; `entries` are those of each array.
  public static func csv(_ reports: [ReuseReport]) -> String {
    let arrays = reports.first?.curves.curves.map(\.column) ?? []
    return CSV.line(["trace", "entries", "accesses", "misses"] + arrays + ["faults", "stale_hits"])
      + reports.map(\.rows).joined()
  }

  private var rows: String {
    var text = ""
    var last: [UInt64] = []
    for size in 1...curves.largest {
      let values = curves.curves.map { $0.misses(entries: size) }
      if values == last { continue }
      last = values
      let numbers = [UInt64(size), curves.accesses, curves.misses(entries: size)] + values
      text += CSV.line([trace] + (numbers + [curves.faults, curves.staleHits]).map(String.init))
    }
    return text
  }
}

extension ReuseCurves.Curve {
  fileprivate var title: String { (isFetch ? "fetch " : "data ") + pageSize.name }
  fileprivate var column: String { (isFetch ? "fetch_" : "data_") + pageSize.name.lowercased() }
}
