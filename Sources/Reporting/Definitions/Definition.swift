public import Machine

/// What a column of the reports means: the one place where that is written down. Every report that explains a figure
/// takes its words from here.
public struct Definition: Hashable, Sendable {
  /// The column's name in ``CounterTable``, or in the rows of a sweep.
  public let column: String
  /// What one of it is, in the plural: `faults`, `cycles`, `pages`; `text` for names.
  public let unit: String
  /// One or two sentences that stand alone.
  public let meaning: String
  /// The modes under which it can be other than 0.
  public let modes: [Mode]
  /// What lectures and papers on virtual machine monitors call it; empty if they have no word of their own for it.
  public let term: String

  init(_ column: String, _ unit: String, _ meaning: String, in modes: [Mode] = Mode.allCases, term: String = "") {
    self.column = column
    self.unit = unit
    self.meaning = meaning
    self.modes = modes
    self.term = term
  }

  /// A name or a time rather than something that was counted.
  public var isText: Bool { unit == "text" }
}

/// The definitions of every column.
public enum Definitions {
  /// One for each column of ``CounterTable``, in groups by subject, and those that a sweep adds.
  public static let all: [Definition] =
    runs + accesses + walks + faults + causes + exits + shadowTables + memory + cycles + kernel + softwareTLB + dirtyLog
    + nestedTable + devices + host + points

  /// The definition of a column, or of a figure that reports make of several; nil if there is no such thing.
  public static func of(_ column: String) -> Definition? { byColumn[column] }

  private static let byColumn = Dictionary((all + derived).map { ($0.column, $0) }) { first, _ in first }
}

extension [Mode] {
  /// Modes whose hardware walks tables of the hypervisor's own making.
  static let shadowing: [Mode] = [.emulatedTLB, .shadow]
  /// Modes with a hypervisor.
  static let virtualized: [Mode] = Mode.allCases.filter { $0 != .native }
  /// Modes whose hardware walks the guest's own tables.
  static let walkingGuestTables: [Mode] = [.native, .nested, .direct]
}
