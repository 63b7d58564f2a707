internal import Paging

/// What can be chosen of direct paging, by the keys `direct.…`.
struct DirectSettings: Hashable, Sendable {
  /// How the kernel changes its level-1 tables.
  enum Stores: CaseIterable {
    /// By `mmu_update`.
    case hypercall
    /// By plain stores, each of which Xen emulates.
    case emulate
    /// By plain stores to a table that Xen detaches at the first of them, and checks as a whole later.
    case detach
  }

  /// Entries that Xen validates until an interrupt makes it leave a hypercall and come back; 0: none comes.
  var interruptInterval = 0
  /// Frames that domains may be given beyond those that the guest was built with.
  var spareFrames: UInt64 = 1 << 28
  /// Updates that the port asks for at once at most.
  var batch = 1
  var stores = Stores.hypercall
  /// The guest has devices of its own, which reach memory through an IOMMU.
  var hasIOMMU = false
  /// The kernel runs in ring 3 and has one base table, its processes have another; else it runs in ring 1, and there is one.
  var hasTwoBases = false
}

extension Settings {
  /// The keys of direct paging.
  static let directKeys: [Key] = [
    Key(
      name: "direct.batch", values: ["none", "until-flush", "1…\(UpdateQueue.limit)"],
      summary: "updates that one hypercall asks for: each its own, as many as come until a flush, or so many",
      expectation: "none, until-flush or a number from 1 to \(UpdateQueue.limit)"
    ) {
      let named = ["none": 1, "until-flush": UpdateQueue.limit]
      guard let number = named[$1] ?? Int($1), (1...UpdateQueue.limit).contains(number) else { return false }
      $0.direct.batch = number
      return true
    },
    .word(
      "direct.stores", ["hypercall", "emulate", "detach"],
      "level-1 tables change by hypercalls, by stores that Xen emulates, or by stores to a table that it detaches"
    ) { $0.direct.stores = DirectSettings.Stores.allCases[$1] },
    .word(
      "direct.iommu", ["off", "on"], "the guest has devices of its own, which reach memory (`dma`) through an IOMMU"
    ) { $0.direct.hasIOMMU = $1 == 1 },
    .word(
      "direct.rings", ["1", "3"],
      "ring of the kernel: 1 with one base table (32-bit Xen), 3 with one for itself and one for user code (64-bit)"
    ) { $0.direct.hasTwoBases = $1 == 1 },
    .number(
      "direct.spare", 1 << 28, in: 0...1 << 28,
      "frames of the machine beyond those that the guest was built with, for whoever asks for more"
    ) { $0.direct.spareFrames = UInt64($1) },
    .number(
      "direct.preempt", 0, in: 0...100_000,
      "entries that Xen validates until an interrupt comes and the hypercall is continued; 0: none comes"
    ) { $0.direct.interruptInterval = $1 },
  ]
}
