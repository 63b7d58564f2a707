public import Machine

/// The rounds of a dirty log as CSV: one row a round.
public enum DirtyRounds {
  /// The header line.
  public static var header: String {
    CSV.line(["round", "first_operation", "operations", "pages", "exits", "invepts", "cycles", "set"])
  }

  /// The line of one round. `set` stands for the pages, so that two runs can be compared.
  public static func row(_ round: DirtyRound) -> String {
    CSV.line(
      [round.number, round.firstOperation, round.operations, UInt64(round.pages.count), round.exits, round.invepts]
        .map { String($0) } + [String(round.cycles), Decimal.hex(digest(round.pages))])
  }

  /// FNV-1a of the numbers of the pages, in order, eight bytes each.
  static func digest(_ pages: [UInt64]) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for page in pages {
      for shift in stride(from: UInt64(0), to: 64, by: 8) {
        hash = (hash ^ page >> shift & 0xff) &* 0x100_0000_01b3
      }
    }
    return hash
  }
}
