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
      in: .virtualized, term: "DMA remapping"),
    Definition(
      "dma_faults", "pages",
      "Pages that were refused to a device: by the IOMMU, or by the hypervisor. The transfer ends there.",
      in: .virtualized,
      term: "DMA remapping fault"),
    Definition(
      "iotlb_misses", "misses", "Translations that the IOMMU had to read from its table.", in: .virtualized,
      term: "IOTLB miss"),
    Definition(
      "iotlb_flushes", "flushes", "Flushes of the IOMMU's TLB, after pages were taken out of its table.",
      in: .virtualized,
      term: "IOTLB invalidation"),
    Definition(
      "iommu_maps", "pages", "Pages that the hypervisor entered into a domain's IOMMU table.", in: .virtualized,
      term: "DMA mapping"),
    Definition(
      "iommu_unmaps", "pages", "Pages that the hypervisor took out of a domain's IOMMU table.", in: .virtualized,
      term: "DMA mapping"),
    Definition("dma_pages", "pages", "Pages that devices read or wrote by themselves.", term: "DMA"),
    Definition(
      "dma_copied", "pages", "Pages that the hypervisor copied for devices.", in: .onHosts, term: "bounce buffer"),
    Definition(
      "dma_pinned", "pages", "Pages of lists that the hypervisor translated for devices, and whose frames stayed.",
      in: .onHosts, term: "pinned pages"),
    Definition(
      "dma_requests", "pages", "Pages that the IOMMU's table lacked, and that the hypervisor was asked for.",
      in: .onHosts, term: "page request"),
    Definition(
      "ring_requests", "pages", "Pages for which a frontend put a request with a grant into its ring.", in: [.direct],
      term: "split device driver"),
    Definition(
      "ring_notifications", "events", "Events by which an end of a ring told the other that there is work.",
      in: [.direct], term: "event channel"),
    Definition(
      "ring_notifications_saved", "events",
      "Requests and responses that needed no event, since the other end was at work and looks again by itself.",
      in: [.direct], term: "notification hold-off"),
  ]
}
