public import Machine

/// The counters of runs as CSV: one row a run. Columns are only ever added, at the end.
public enum CounterTable {
  /// One counter with its name in reports.
  public struct Column: Sendable {
    public let name: String
    /// A level or a peak rather than a sum: no difference can be taken of it.
    public let isLevel: Bool
    public let value: @Sendable (Counters) -> UInt64

    init(_ name: String, isLevel: Bool = false, _ value: @escaping @Sendable (Counters) -> UInt64) {
      self.name = name
      self.isLevel = isLevel
      self.value = value
    }
  }

  /// The columns between `machine` and `seconds`.
  static let early: [Column] = [
    Column("operations") { $0.operations },
    Column("accesses") { $0.accesses },
    Column("loads") { $0.loads },
    Column("stores") { $0.stores },
    Column("fetches") { $0.fetches },
    Column("translations") { $0.translations },
    Column("tlb_l1_hits") { $0.tlbL1Hits },
    Column("tlb_l2_hits") { $0.tlbL2Hits },
    Column("tlb_misses") { $0.tlbMisses },
    Column("walks") { $0.walks },
    Column("walk_refs") { $0.walkReferences },
    Column("walk_refs_guest") { $0.walkReferencesGuest },
    Column("walk_refs_nested") { $0.walkReferencesNested },
    Column("true_faults") { $0.trueFaults },
    Column("hidden_faults") { $0.hiddenFaults },
    Column("hidden_fill") { $0.hiddenFill },
    Column("hidden_trace") { $0.hiddenTrace },
    Column("hidden_dirty") { $0.hiddenDirty },
    Column("hidden_host") { $0.hiddenHost },
    Column("hidden_other") { $0.hiddenOther },
    Column("exits") { $0.exits },
    Column("exit_fault") { $0.exitFault },
    Column("exit_cr3") { $0.exitCR3 },
    Column("exit_invlpg") { $0.exitInvlpg },
    Column("exit_hypercall") { $0.exitHypercall },
    Column("exit_other") { $0.exitOther },
    Column("hypercalls") { $0.hypercalls },
    Column("mmu_updates") { $0.mmuUpdates },
    Column("mmu_updates_rejected") { $0.mmuUpdatesRejected },
    Column("guest_pte_writes") { $0.guestTableStores },
    Column("guest_cr3_loads") { $0.guestCR3Loads },
    Column("guest_invlpgs") { $0.guestInvlpgs },
    Column("shadow_pages", isLevel: true) { $0.shadowPages },
    Column("shadow_pages_peak", isLevel: true) { $0.shadowPagesPeak },
    Column("traced_pages_peak", isLevel: true) { $0.tracedPagesPeak },
    Column("machine_frames_peak", isLevel: true) { $0.machineFramesPeak },
    Column("cycles_translation") { $0.cyclesTranslation },
    Column("cycles_guest") { $0.cyclesGuest },
    Column("cycles_virtualization") { $0.cyclesVirtualization },
    Column("cycles_total") { $0.cyclesTotal },
    Column("divergences") { $0.divergences },
  ]

  /// The columns that came later: behind `operations_per_second`.
  static let late: [Column] = [
    Column("general_protections") { $0.generalProtections },
    Column("stale_hits") { $0.staleHits },
  ]

  /// Every counter, in the order of the columns.
  public static var columns: [Column] { early + late + latest }

  static let byName = Dictionary(uniqueKeysWithValues: columns.map { ($0.name, $0) })

  /// The names of all columns, those of the run included.
  public static var names: [String] {
    ["trace", "mode", "machine"] + early.map(\.name) + ["seconds", "operations_per_second"] + late.map(\.name)
      + ["settings"] + latest.map(\.name)
  }

  /// The header line.
  public static var header: String { CSV.line(names) }

  /// The fields of one run, one a column.
  public static func fields(_ run: Run) -> [String] {
    [run.trace, run.mode.rawValue, run.machine] + early.map { String($0.value(run.counters)) }
      + [Decimal.fixed(run.seconds, digits: 6), String(run.operationsPerSecond)]
      + late.map { String($0.value(run.counters)) } + [run.settings]
      + latest.map { String($0.value(run.counters)) }
  }

  /// The line of one run.
  public static func row(_ run: Run) -> String { CSV.line(fields(run)) }

  /// The whole table.
  public static func csv(_ runs: [Run]) -> String { header + runs.map(row).joined() }
}
