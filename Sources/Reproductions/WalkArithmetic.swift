internal import Machine

extension Reproduction {
  /// papers: Bhargava et al. figure 1; DMT table 6; nested ECPT section 9.6; SagePTE's script.
  static let walkArithmetic = Reproduction(
    "walk-arithmetic",
    claim: "A walk of g guest levels on h nested ones reads g (h + 1) + h entries: 24 where a native one reads 4.",
    source: "Bhargava et al., ASPLOS 2008, figure 1; nested ECPT, ASPLOS 2022, section 9.6; DMT, ASPLOS 2024, table 6",
    setup: "uniform-random on textbook, which caches nothing; references a walk",
    targets: cells.map { Target.exactly($0.label, "references", $0.references) }
  ) { laboratory in
    try cells.map { cell in
      let load = Laboratory.Load.uniform(2048, 500, ["large": cell.guestPage, "levels": cell.levels])
      let counters = try laboratory.run(load, cell.mode, on: "textbook", ["nested.fill=eager"] + cell.settings)
      return counters.referencesAWalk
    }
  }

  private struct Cell {
    var label: String
    var references: Double
    var mode = Mode.nested
    var guestPage: UInt64 = 0
    var levels: UInt64 = 4
    var settings: [String] = []
  }

  private static let cells = [
    Cell(label: "native, 4 KiB", references: 4, mode: .native),
    Cell(label: "native, 2 MiB", references: 3, mode: .native, guestPage: 1),
    Cell(label: "native, 1 GiB", references: 2, mode: .native, guestPage: 2),
    Cell(label: "nested, 4 KiB on 4 KiB", references: 24),
    Cell(label: "nested, 4 KiB on 2 MiB", references: 19, settings: ["nested.page=2M"]),
    Cell(label: "nested, 2 MiB on 4 KiB", references: 19, guestPage: 1),
    Cell(label: "nested, 2 MiB on 2 MiB", references: 15, guestPage: 1, settings: ["nested.page=2M"]),
    Cell(label: "nested, five levels on five", references: 35, levels: 5, settings: ["nested.levels=5"]),
    Cell(label: "nested, flat nested table", references: 9, settings: ["nested.levels=1"]),
    Cell(label: "direct paging, 4 KiB", references: 4, mode: .direct),
  ]
}
