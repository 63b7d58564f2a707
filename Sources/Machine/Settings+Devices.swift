/// How the transfers of a guest's devices reach its memory, by the keys `dma.…`.
struct DMASettings: Hashable, Sendable {
  enum Translation: CaseIterable {
    /// The hypervisor has a buffer of its own, and copies.
    case copy
    /// The hypervisor translates a list of pages, and keeps their frames where they are.
    case list
    /// The device names physical pages, which an IOMMU translates.
    case iommu
  }

  var translation = Translation.copy
  /// Operations for which the frames of a list stay where they are.
  var duration = 0
}

extension Settings {
  /// The keys of devices under hypervisors that have all frames.
  static let deviceKeys: [Key] = [
    .word(
      "dma.translation", ["copy", "list", "iommu"],
      "emulated-tlb, shadow, nested: the hypervisor copies for devices, translates lists, or has an IOMMU translate"
    ) { $0.dma.translation = DMASettings.Translation.allCases[$1] },
    .number("dma.duration", 0, in: 0...1_000_000_000, "operations for which the frames of a list stay pinned") {
      $0.dma.duration = $1
    },
  ]
}
