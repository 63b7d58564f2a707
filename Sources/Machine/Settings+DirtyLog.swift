/// How the hypervisor learns which physical pages the guest stores to.
enum DirtyLogMethod: String, CaseIterable, Sendable {
  /// It does not.
  case none
  /// Mappings are read-only until the first store of a round has faulted (KVM's and Xen's log-dirty mode).
  case writeProtection = "write-protect"
  /// The hardware sets D in the nested leaf, and each harvest looks at all leaves (SDM 3C 29.3.5).
  case dirtyBits = "d-bit"
  /// The hardware writes down each page whose D it sets (page-modification logging, SDM 3C 29.3.6).
  case modificationLog = "pml"
}

/// Dirty logging, by the keys `dirty-log.…`.
struct DirtyLogSettings: Hashable, Sendable {
  var method = DirtyLogMethod.none
  /// Operations of a round: the log is harvested before operations ``start`` + 1, 2, 3… times this.
  var interval = 1_000_000
  /// Logging begins before this operation, or with the machine's first access if that comes later.
  var start = 0
  /// Logging ends with this round; 0: it does not end.
  var rounds = 0
}

extension Settings {
  /// The keys of dirty logging.
  static let dirtyLogKeys: [Key] = [
    .word(
      "dirty-log.method", DirtyLogMethod.allCases.map(\.rawValue),
      "how the hypervisor logs the pages that are stored to; shadow, emulated-tlb: write-protect alone"
    ) { $0.dirtyLog.method = DirtyLogMethod.allCases[$1] },
    .number("dirty-log.interval", 1_000_000, in: 1...1_000_000_000_000, "operations of a round of the dirty log") {
      $0.dirtyLog.interval = $1
    },
    .number("dirty-log.start", 0, in: 0...1_000_000_000_000, "operation before which dirty logging begins") {
      $0.dirtyLog.start = $1
    },
    .number("dirty-log.rounds", 0, in: 0...1_000_000_000, "rounds after which dirty logging ends; 0: it does not") {
      $0.dirtyLog.rounds = $1
    },
  ]
}
