/// How the transfers of a guest's devices reach its memory, by the keys `dma.…`.
struct DMASettings: Hashable, Sendable {
  enum Translation: CaseIterable {
    /// The hypervisor has a buffer of its own, and copies.
    case copy
    /// The hypervisor translates a list of pages, and keeps their frames where they are.
    case list
    /// The device names physical pages, which an IOMMU translates.
    case iommu
    /// The guest asks a driver domain, by a ring of requests with grants. Under direct paging alone.
    case ring
  }

  var translation = Translation.copy
  /// Operations for which the frames of a list stay where they are, or a driver domain has them mapped.
  var duration = 0
}

extension Settings {
  /// The keys of devices under hypervisors that have all frames.
  static let deviceKeys: [Key] = [
    .word(
      "dma.translation", ["copy", "list", "iommu", "ring"],
      "the hypervisor copies for devices, translates lists, or has an IOMMU; direct: a driver domain's ring"
    ) { $0.dma.translation = DMASettings.Translation.allCases[$1] },
    .number(
      "dma.duration", 0, in: 0...1_000_000_000,
      "operations for which the frames of a list stay pinned, or those of a ring mapped"
    ) { $0.dma.duration = $1 },
  ]

  /// Why devices cannot reach memory so in a mode; nil if they can. A bare machine has nobody who translates.
  func deviceProblem(_ mode: Mode) -> String? {
    guard dma.translation == .ring, mode != .direct, mode != .native else { return nil }
    return "dma.translation=ring, for which domains grant pages: expected mode direct, or copy, list or iommu"
  }
}
