internal import Machine

/// Memory that domains share and that devices reach.
extension Definitions {
  static let devices: [Definition] = [
    Definition(
      "grant_maps", "mappings", "Mappings of a page of another domain, by a grant of its owner.", in: [.direct],
      term: "grant table"),
    Definition(
      "grant_unmaps", "mappings", "Mappings of granted pages that a domain has ended.", in: [.direct],
      term: "grant table"),
    Definition(
      "grant_copies", "copies", "Copies by the hypervisor from or to granted pages, which nobody had to map.",
      in: [.direct], term: "grant copy"),
    Definition(
      "dma_translations", "pages", "Pages that devices asked the IOMMU for, one for each page of a transfer.",
      in: [.direct], term: "DMA remapping"),
    Definition(
      "dma_faults", "pages", "Pages that the IOMMU refused to a device. The transfer ends there.", in: [.direct],
      term: "DMA remapping fault"),
    Definition(
      "iotlb_misses", "misses", "Translations that the IOMMU had to read from its table.", in: [.direct],
      term: "IOTLB miss"),
    Definition(
      "iotlb_flushes", "flushes", "Flushes of the IOMMU's TLB, after pages were taken out of its table.", in: [.direct],
      term: "IOTLB invalidation"),
    Definition(
      "iommu_maps", "pages", "Pages that the hypervisor entered into a domain's IOMMU table.", in: [.direct],
      term: "DMA mapping"),
    Definition(
      "iommu_unmaps", "pages", "Pages that the hypervisor took out of a domain's IOMMU table.", in: [.direct],
      term: "DMA mapping"),
  ]
}
