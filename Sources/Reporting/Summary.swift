import Machine

/// The counters of runs as a table for people: one table a trace, its modes side by side.
public enum Summary {
  /// The tables of all traces, in the order of the runs.
  public static func text(_ runs: [Run]) -> String {
    var text = ""
    var rest = runs[...]
    while let first = rest.first {
      // Runs of one trace stand together; two traces of one name are told apart by a mode that comes again.
      var group: [Run] = []
      while let next = rest.first, next.trace == first.trace, !group.contains(where: { $0.mode == next.mode }) {
        group.append(rest.removeFirst())
      }
      if !text.isEmpty { text += "\n" }
      text += table(group)
    }
    return text
  }

  private static func table(_ runs: [Run]) -> String {
    var builder = Builder(runs)
    for group in groups {
      builder.heading(group.title)
      for row in group.rows { builder.add(row) }
    }
    builder.heading("this run")
    builder.runs("seconds") { Decimal.fixed($0.seconds, digits: 3) }
    builder.runs("operations a second") { Decimal.grouped($0.operationsPerSecond) }
    let settings = runs[0].settings.isEmpty ? "" : ", with \(runs[0].settings)"
    return "\(runs[0].trace) on \(runs[0].machine)\(settings)\n\n" + builder.table.text()
  }

  /// The columns that rows with this label show, in order. `label`: without the spaces before it.
  public static func columns(labelled label: String) -> [String] {
    func plain(_ text: String) -> String { text.drop { " !".contains($0) }.lowercased() }
    var columns: [String] = []
    for row in groups.flatMap(\.rows) where plain(row.label) == plain(label) && !columns.contains(row.column) {
      columns.append(row.column)
    }
    return columns
  }
}

extension Summary {
  /// Rows under one title.
  struct Group {
    var title: String
    var rows: [Row]

    init(_ title: String, _ rows: [Row]) {
      self.title = title
      self.rows = rows
    }
  }

  /// A line of the table: a column of ``CounterTable``, as it is or by another one.
  struct Row {
    enum Figure {
      /// The count itself; a row that is zero in every run is left out.
      case count
      case countEvenIfZero
      /// The count and, in the row below it, its share of another column.
      case shareOf(String)
      /// The count, times `scale`, by another column.
      case ratioTo(String, scale: UInt64)
      /// The count as a multiple of the native run's, if there is one and another beside it.
      case timesNative
    }

    /// Set in by two spaces for each row that it is a part of.
    var label: String
    var column: String
    var figure: Figure

    init(_ label: String, _ column: String, _ figure: Figure = .count) {
      self.label = label
      self.column = column
      self.figure = figure
    }
  }
}
