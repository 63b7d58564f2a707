public import Machine
import Paging

/// What a trace holds, as text for people.
public enum InspectionReport {
  public static func text(_ trace: String, guest: String, _ found: Inspection) -> String {
    var table = TextTable()
    accesses(found, &table)
    operations(found, &table)
    if found.hasTables { tables(found, &table) }
    exceptions(found, &table)
    return "\(trace): a \(guest) trace\n\n" + table.text()
  }

  private static func accesses(_ found: Inspection, _ table: inout TextTable) {
    if found.ram > 0 { count("RAM, bytes", found.ram, &table) }
    table.heading("accesses")
    count("accesses", found.accesses, &table)
    privileges("  loads", found.loads, &table)
    privileges("  stores", found.stores, &table)
    privileges("  fetches", found.fetches, &table)
    let supervisor = found.loads.supervisor + found.stores.supervisor + found.fetches.supervisor
    count("from supervisor mode", supervisor, of: found.accesses, &table)
    count("instructions", found.instructions, &table)
    count("bytes read", found.bytesRead, &table)
    count("bytes written", found.bytesWritten, &table)
    // A page that both touch counts twice.
    let pages = found.supervisorPages + found.userPages
    count("distinct 4K pages: supervisor's, and user's by address space", pages, &table)
    count("  supervisor's", found.supervisorPages, &table)
    count("  user's, counted per address space", found.userPages, &table)
    guard found.hasTables else { return }
    for size in PageSize.allCases {
      count("to \(size.name) pages", found.accesses(to: size), of: found.accesses, &table)
    }
    if found.unmapped > 0 { count("! not mapped by the trace's tables", found.unmapped, of: found.accesses, &table) }
  }

  private static func operations(_ found: Inspection, _ table: inout TextTable) {
    table.heading("address spaces")
    if !found.roots.isEmpty {
      count("CR3 loads", found.cr3Loads, &table)
      count("  of the same root", found.sameRootLoads, &table)
      count("distinct roots", UInt64(found.roots.count), &table)
      count("CR0, CR4 and EFER loads", found.otherRegisterLoads, &table)
    }
    table.heading("other operations")
    for kind in Operation.Kind.allCases where !shownElsewhere.contains(kind) && found.count(of: kind) > 0 {
      count(name(of: kind), found.count(of: kind), &table)
    }
  }

  private static let shownElsewhere: Set<Operation.Kind> = [
    .load, .store, .fetch, .tableStore, .table, .tableGone, .loadCR3, .loadCR0, .loadCR4, .loadEFER, .fault,
    .interrupt, .ram,
  ]

  private static func tables(_ found: Inspection, _ table: inout TextTable) {
    let tables = found.tables
    table.heading("page tables")
    count("in the snapshot", tables.snapshot, &table)
    count("  their non-zero entries", tables.snapshotEntries, &table)
    for level in 1...5 where tables.found[level] > 0 {
      count("found later at level \(level)", tables.found[level], &table)
      count("  their non-zero entries", tables.foundEntries[level], &table)
    }
    count("gone", tables.gone, &table)
    stores(found.tableStores, &table)
  }

  private static func stores(_ stores: Inspection.TableStoreCounts, _ table: inout TextTable) {
    table.heading("page-table stores")
    count("stores to entries", stores.total, &table)
    for level in 1...5 where stores.levels[level] > 0 || level < 5 {
      count("  of level \(level)", stores.levels[level], &table)
    }
    if stores.levels[0] > 0 { count("  in pages that the trace does not call a table", stores.levels[0], &table) }
    if stores.severalLevels > 0 { count("  in tables of several levels", stores.severalLevels, &table) }
    count("  by user code", stores.byUser, &table)
    table.heading("what they change")
    for change in Inspection.Change.allCases { count(name(of: change), stores[change], of: stores.total, &table) }
  }

  private static func exceptions(_ found: Inspection, _ table: inout TextTable) {
    let faults = found.faults.values.reduce(0, +)
    let others = found.interrupts.values.reduce(0, +)
    table.heading("exceptions and interrupts")
    count("exceptions and interrupts", faults + others, &table)
    count("  page faults", faults, &table)
    for (code, faults) in found.faults.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      count("    \(name(of: code)), code \(Decimal.hex(UInt64(code.rawValue)))", faults, &table)
    }
    for (vector, interrupts) in found.interrupts.sorted(by: { $0.key < $1.key }) {
      count("  vector \(vector)", interrupts, &table)
    }
  }
}

extension InspectionReport {
  private static func count(_ label: String, _ value: UInt64, of whole: UInt64? = nil, _ table: inout TextTable) {
    let share = whole.map { [Decimal.percent(value, of: $0)] } ?? []
    table.row("  " + label, [Decimal.grouped(value)] + share)
  }

  private static func privileges(_ label: String, _ counts: Inspection.PrivilegeCounts, _ table: inout TextTable) {
    let share = Decimal.percent(counts.supervisor, of: counts.total)
    table.row("  " + label, [Decimal.grouped(counts.total), share, "supervisor"])
  }

  /// Letters of an error code: `I` a fetch; `U` or `S` user or supervisor mode; `W` a store, `R` another access; `P` rights
  /// of a present page, `V` a reserved bit, `-` nothing present.
  static func name(of code: PageFaultCode) -> String {
    (code.contains(.fetch) ? "I" : "") + (code.contains(.user) ? "U" : "S") + (code.contains(.write) ? "W" : "R")
      + (code.contains(.reserved) ? "V" : code.contains(.present) ? "P" : "-")
  }

  private static func name(of change: Inspection.Change) -> String {
    switch change {
    case .none: "nothing: the value was there"
    case .mapping: "not present to present"
    case .unmapping: "present to not present"
    case .frame: "another frame"
    case .accessedDirty: "A and D bits only"
    case .writeProtection: "write permission taken"
    case .otherPresent: "other bits of a present entry"
    case .neverPresent: "an entry that is not present before or after"
    }
  }

  /// As in the text form of traces.
  private static func name(of kind: Operation.Kind) -> String {
    switch kind {
    case .load: "load"
    case .store: "store"
    case .fetch: "fetch"
    case .tableStore: "pte"
    case .table: "table"
    case .tableGone: "gone"
    case .loadCR3: "cr3"
    case .loadCR0: "cr0"
    case .loadCR4: "cr4"
    case .loadEFER: "efer"
    case .invlpg: "invlpg"
    case .invpcid: "invpcid"
    case .fault: "fault"
    case .interrupt: "interrupt"
    case .mark: "mark"
    case .readBack: "load (read back)"
    case .hypercall: "hypercall"
    case .cpu: "cpu"
    case .vm: "vm"
    case .ram: "ram"
    case .balloon: "balloon"
    case .switchProcess: "switch"
    case .fork: "fork"
    case .exec: "exec"
    case .exit: "exit"
    case .map: "map"
    case .unmap: "unmap"
    case .protect: "protect"
    case .discard: "discard"
    case .remap: "remap"
    case .content: "content"
    case .dma: "dma"
    case .folded: "folded"
    }
  }
}
