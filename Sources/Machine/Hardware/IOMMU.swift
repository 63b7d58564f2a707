internal import Paging

/// An IOMMU: for each domain a table of the pages that its devices may reach, and a TLB that all of them share (the IOTLB).
///
/// Addresses are pages as the devices name them; what they are is the hypervisor's business. The IOTLB holds only what the
/// table had, and goes on holding it until it is flushed, as the hardware of VT-d and AMD-Vi does; what is not mapped is
/// not cached (VT-d: caching mode 0).
struct IOMMU: ~Copyable {
  /// What devices may do with a page.
  struct Access: OptionSet, BitwiseCopyable {
    var rawValue: UInt8
    static var read: Access { Access(rawValue: 1) }
    static var write: Access { Access(rawValue: 2) }
  }

  /// One leaf of a table.
  struct Entry {
    var frame: MPN
    var access: Access
  }

  /// A domain's table: runs of pages that are mapped to frames of the same number, to read and write, but for pages that
  /// have entries of their own.
  private struct Table {
    var runs: [Range<UInt64>] = []
    var entries: [UInt64: Entry] = [:]

    subscript(page: UInt64) -> Entry? {
      if let entry = entries[page] { return entry }
      let isInRun = runs.contains { $0.contains(page) }
      return isInRun ? Entry(frame: MPN(page), access: [.read, .write]) : nil
    }
  }

  private struct Tag: Hashable {
    var domain: DomainID
    var page: UInt64
  }

  private var tables: [DomainID: Table] = [:]
  private var cached: [Tag: Entry] = [:]
  /// Tags in the order in which they came, from ``first`` on.
  private var order: [Tag] = []
  private var first = 0

  /// Entries of the IOTLB: the oldest goes first.
  static var capacity: Int { 64 }

  // MARK: The device's side

  /// The frame behind a page, if a device of the domain may do so; nil is a fault.
  mutating func translate(
    _ page: UInt64, _ access: Access, for domain: DomainID, _ counters: inout Counters
  ) -> MPN? {
    counters.dmaTranslations += 1
    let tag = Tag(domain: domain, page: page)
    var entry = cached[tag]
    if entry == nil {
      counters.iotlbMisses += 1
      entry = tables[domain]?[page].flatMap { $0.access.isEmpty ? nil : $0 }
      if let entry { fill(tag, entry) }
    }
    if let entry, entry.access.isSuperset(of: access) { return entry.frame }
    counters.dmaFaults += 1
    return nil
  }

  private mutating func fill(_ tag: Tag, _ entry: Entry) {
    if cached.count == Self.capacity {
      cached[order[first]] = nil
      first += 1
    }
    if first == Self.capacity {
      order.removeFirst(first)
      first = 0
    }
    order.append(tag)
    cached[tag] = entry
  }

  // MARK: The hypervisor's side

  /// What the table says of a page, nil if it is not mapped.
  func entry(_ page: UInt64, of domain: DomainID) -> Entry? {
    tables[domain]?[page].flatMap { $0.access.isEmpty ? nil : $0 }
  }

  /// Pages that have entries of their own.
  func entries(of domain: DomainID) -> [UInt64] { (tables[domain]?.entries.keys).map { $0.sorted() } ?? [] }

  /// Maps a run of pages to the frames of the same numbers.
  mutating func map(_ run: Range<UInt64>, of domain: DomainID, _ counters: inout Counters) {
    tables[domain, default: Table()].runs.append(run)
    counters.iommuMaps += UInt64(run.count)
  }

  /// Gives a page an entry; nil: it is not mapped. The IOTLB stays as it is.
  mutating func set(_ page: UInt64, _ entry: Entry?, of domain: DomainID, _ counters: inout Counters) {
    tables[domain, default: Table()].entries[page] = entry ?? Entry(frame: MPN(page), access: [])
    if entry == nil { counters.iommuUnmaps += 1 } else { counters.iommuMaps += 1 }
  }

  /// Drops all that the IOTLB has of a domain.
  mutating func flush(_ domain: DomainID, _ counters: inout Counters) {
    counters.iotlbFlushes += 1
    let kept = order[first...].filter { $0.domain != domain }
    cached = cached.filter { $0.key.domain != domain }
    order = kept
    first = 0
  }

  /// A domain's table is no more.
  mutating func remove(_ domain: DomainID, _ counters: inout Counters) {
    tables[domain] = nil
    flush(domain, &counters)
  }

  /// What the IOTLB has.
  func cachedEntries() -> [(domain: DomainID, page: UInt64, entry: Entry)] {
    order[first...].compactMap { tag in cached[tag].map { (domain: tag.domain, page: tag.page, entry: $0) } }
  }
}
