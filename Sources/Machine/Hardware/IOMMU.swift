internal import Paging

/// An IOMMU: for each domain a table of the pages that its devices may reach, and a TLB that all of them share (the IOTLB).
///
/// Addresses are pages as the devices name them; what they are is the hypervisor's business. The tables are in machine
/// memory, and a translation that the IOTLB lacks walks them. The IOTLB holds only what the
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

  private struct Tag: Hashable {
    var domain: DomainID
    var page: UInt64
  }

  private var tables: [DomainID: IOMMUTable] = [:]
  private var cached: [Tag: Entry] = [:]
  /// Tags in the order in which they came, from ``first`` on.
  private var order: [Tag] = []
  private var first = 0

  /// Entries of the IOTLB: the oldest goes first.
  static var capacity: Int { 64 }

  // MARK: The device's side

  /// The frame behind a page, if a device of the domain may do so; nil is a fault.
  mutating func translate(
    _ page: UInt64, _ access: Access, for domain: DomainID, _ memory: borrowing MachineMemory,
    _ counters: inout Counters
  ) -> MPN? {
    counters.dmaTranslations += 1
    let tag = Tag(domain: domain, page: page)
    var entry = cached[tag]
    if entry == nil {
      counters.iotlbMisses += 1
      entry = self.entry(page, of: domain, memory)
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
  func entry(_ page: UInt64, of domain: DomainID, _ memory: borrowing MachineMemory) -> Entry? {
    tables[domain]?.entry(page, memory)
  }

  /// Pages that have entries of 4 KiB.
  func entries(of domain: DomainID, _ memory: borrowing MachineMemory) -> [UInt64] {
    tables[domain]?.smallEntries(memory) ?? []
  }

  /// Frames that a change of a page's entry takes.
  func framesNeeded(_ page: UInt64, of domain: DomainID, _ memory: borrowing MachineMemory) -> Int {
    // The first table, and one of each level below it.
    tables[domain].map { $0.framesNeeded(page, memory) } ?? 4
  }

  /// Gives a page an entry, or none; `level`: of which size. The IOTLB stays as it is. Takes frames of those that are lent
  /// for its table, and leaves there what it needs no more.
  mutating func set(
    _ page: UInt64, level: Int = 1, _ entry: Entry?, of domain: DomainID, _ lent: inout [MPN],
    _ memory: inout MachineMemory, _ counters: inout Counters
  ) {
    let pages = IOMMUTable.pages(level)
    if entry == nil { counters.iommuUnmaps += pages } else { counters.iommuMaps += pages }
    if tables[domain] == nil, let root = lent.popLast() { tables[domain] = IOMMUTable(root: root, &memory) }
    tables[domain]?.set(page, level: level, entry, &lent, &memory)
  }

  /// Drops all that the IOTLB has of a domain.
  mutating func flush(_ domain: DomainID, _ counters: inout Counters) {
    counters.iotlbFlushes += 1
    let kept = order[first...].filter { $0.domain != domain }
    cached = cached.filter { $0.key.domain != domain }
    order = kept
    first = 0
  }

  /// A domain's table is no more. Returns its frames.
  mutating func remove(_ domain: DomainID, _ counters: inout Counters) -> [MPN] {
    flush(domain, &counters)
    return tables.removeValue(forKey: domain)?.frames ?? []
  }

  /// Names what is wrong with the tables, nil if nothing is.
  func violatedTables(_ memory: borrowing MachineMemory) -> String? {
    for table in tables.values {
      if let problem = table.violatedFrames(memory) { return problem }
    }
    return nil
  }

  /// What the IOTLB has.
  func cachedEntries() -> [(domain: DomainID, page: UInt64, entry: Entry)] {
    order[first...].compactMap { tag in cached[tag].map { (domain: tag.domain, page: tag.page, entry: $0) } }
  }
}
