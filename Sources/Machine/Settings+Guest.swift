internal import Paging

/// What can be chosen of the modelled guest kernel, by the keys `guest.…`.
struct GuestSettings: Hashable, Sendable {
  /// What the trace does not map is anonymous memory all the same, until it is unmapped.
  var mapsImplicitly = true
  /// A first read of anonymous memory gets the page of zeros that all share.
  var hasZeroPage = true
  /// Pages of a file that a fault on one of them maps, a power of two; 1: that one alone.
  var faultAround = 16
  /// Each address space has its own process-context identifier.
  var hasPCID = false
  /// Anonymous memory is mapped 2 MiB at a time where it can be.
  var hasLargePages = false
  /// All physical memory is mapped in the kernel's half by pages of this size at most; nil: it is not.
  var directMap: PageSize?
  /// Pages of the swap area.
  var swapPages = 1 << 20
  /// Frames that reclaim frees at a time.
  var reclaimBatch = 32
  /// Pages that are flushed one by one at most.
  var flushCeiling = 33
  /// Targets of the balloon driver beside those of the trace.
  var balloonSchedule = BalloonSchedule()
  /// Operations that pass for a second of the balloon driver's.
  var balloonSecond: UInt64 = 100_000
}

/// Targets for the balloon driver, each from an operation on.
struct BalloonSchedule: Hashable, Sendable {
  struct Target: Hashable, Sendable {
    var operation: UInt64
    var pages: UInt64
  }

  private(set) var targets: [Target] = []

  init() {}

  /// From `OPERATION:PAGES,…`, in ascending order of operations, or `none`.
  init?(_ text: String) {
    if text == "none" { return }
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let numbers = part.split(separator: ":", omittingEmptySubsequences: false).map { UInt64($0) }
      guard numbers.count == 2, let operation = numbers[0], let pages = numbers[1] else { return nil }
      if let last = targets.last, last.operation >= operation { return nil }
      targets.append(Target(operation: operation, pages: pages))
    }
  }
}

extension Settings {
  /// The keys of the modelled guest kernel.
  static let guestKeys: [Key] = [
    .word(
      "guest.maps", ["implicit", "explicit"],
      "memory that the trace does not map is anonymous until it is unmapped, or not there"
    ) { $0.guest.mapsImplicitly = $1 == 0 },
    .word(
      "guest.zero-page", ["on", "off"], "a first read of anonymous memory maps the shared page of zeros"
    ) { $0.guest.hasZeroPage = $1 == 0 },
    .word(
      "guest.fault-around", ["16", "off", "2", "4", "8", "32", "64"],
      "pages of a file that one fault maps at most"
    ) { $0.guest.faultAround = [16, 1, 2, 4, 8, 32, 64][$1] },
    .word(
      "guest.pcid", ["off", "on"], "the modelled kernel tags address spaces with PCIDs"
    ) { $0.guest.hasPCID = $1 == 1 },
    .word(
      "guest.large-pages", ["off", "on"], "anonymous memory is mapped by 2 MiB pages where one fits"
    ) { $0.guest.hasLargePages = $1 == 1 },
    .word(
      "guest.direct-map", ["none", "4K", "2M", "1G"],
      "largest page of the kernel's map of all memory; its own accesses go through it"
    ) { $0.guest.directMap = [nil, .small, .large, .huge][$1] },
    .number("guest.swap", 1 << 20, in: 0...1 << 28, "pages of the swap area") { $0.guest.swapPages = $1 },
    .number("guest.reclaim", 32, in: 1...4096, "page frames that reclaim frees at a time") {
      $0.guest.reclaimBatch = $1
    },
    Key(
      name: "balloon.schedule", values: ["none", "OPERATION:PAGES,…"],
      summary: "direct: targets of the modelled kernel's balloon driver, in pages, each from an operation on",
      expectation: "none, or OPERATION:PAGES,… in ascending order"
    ) {
      guard let schedule = BalloonSchedule($1) else { return false }
      $0.guest.balloonSchedule = schedule
      return true
    },
    .number(
      "balloon.second", 100_000, in: 1...1_000_000_000,
      "operations that the balloon driver takes for a second between two tries"
    ) { $0.guest.balloonSecond = UInt64($1) },
    .number("guest.flush-ceiling", 33, in: 0...4096, "pages that the kernel flushes by INVLPG; more: by a CR3 load") {
      $0.guest.flushCeiling = $1
    },
  ]
}
