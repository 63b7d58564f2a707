internal import Paging

/// What devices of a guest may reach under a hypervisor that has all frames: an IOMMU's table of physical pages, and pages
/// whose frames stay for transfers under way.
struct Devices: ~Copyable {
  var iommu = IOMMU()
  /// The operation up to which each page keeps its frame.
  private var pins: [PPN: UInt64] = [:]

  /// Pages that one list names at most: so many segments a request, as of Linux's block layer
  /// (include/linux/blkdev.h, BLK_MAX_SEGMENTS).
  static var listPages: Int { 128 }

  var pinned: Dictionary<PPN, UInt64>.Keys { pins.keys }

  func isPinned(_ page: PPN, at operation: UInt64) -> Bool { pins[page].map { $0 >= operation } ?? false }

  mutating func pin(_ page: PPN, until operation: UInt64) { pins[page] = max(operation, pins[page] ?? 0) }

  /// Transfers have ended.
  mutating func unpin(before operation: UInt64) {
    pins = pins.filter { $0.value >= operation }
  }
}

extension MachineState {
  /// The host does not take a page's frame: it has it from lately, or a device is at it.
  func keeps(_ page: PPN) -> Bool { hosted?.isLatest(page) ?? false || isPinned(page) }

  func isPinned(_ page: PPN) -> Bool { devices.isPinned(page, at: operation) }

  /// Whether devices can reach a page: memory, and not that of a device of the hypervisor's.
  func isReachable(_ page: PPN) -> Bool { !isDevice(page) && traces.moments(of: .device, page).isEmpty }

  /// What the IOMMU's table has of a page.
  func deviceEntry(_ page: PPN) -> IOMMU.Entry? { devices.iommu.entry(page.raw, of: domain, memory) }

  /// Devices may reach a page from now on. What the IOTLB had of it goes.
  mutating func mapForDevices(_ page: PPN, _ access: IOMMU.Access) {
    withdrawFromDevices(page)
    let frame = frame(of: page)
    setDeviceEntry(page, IOMMU.Entry(frame: frame, access: access))
  }

  /// The frames of the table are the hypervisor's.
  private mutating func setDeviceEntry(_ page: PPN, _ entry: IOMMU.Entry?) {
    var lent = lendFrames(devices.iommu.framesNeeded(page.raw, of: domain, memory))
    devices.iommu.set(page.raw, entry, of: domain, &lent, &memory, &counters)
    takeBack(lent)
  }

  /// Frames of the hypervisor's for an IOMMU's table.
  mutating func lendFrames(_ count: Int) -> [MPN] { (0..<count).map { _ in allocateOwnFrame() } }

  /// Those that the table does not need.
  mutating func takeBack(_ frames: [MPN]) {
    for frame in frames { freeOwnFrame(frame) }
    notePeaks()
  }

  /// No device may reach a page any more: its frame goes, or stores to it are to be seen.
  mutating func withdrawFromDevices(_ page: PPN) {
    guard deviceEntry(page) != nil else { return }
    setDeviceEntry(page, nil)
    devices.iommu.flush(domain, &counters)
  }

  /// The same for the pages that somebody has come to watch.
  mutating func withdrawWatched() {
    for page in traces.takeWatched() { withdrawFromDevices(page) }
  }

  /// For the log: a transfer of a device's has ended at a page that it may not reach.
  mutating func noteRefused(_ page: PPN, writes: Bool, _ cpu: Int) {
    var event = Event(operation: operation, cpu: cpu, kind: .dmaFault, cause: writes ? "write" : "read")
    event.physical = page.address
    log.append(event)
  }

  /// Names a page that devices could reach and must not, nil if there is none.
  func violatedDevices() -> String? {
    if let problem = devices.iommu.violatedTables(memory) { return problem }
    for page in devices.iommu.entries(of: domain, memory) {
      guard let entry = deviceEntry(PPN(page)) else { continue }
      if !backs(entry.frame, PPN(page)) {
        return "devices reach machine frame \(entry.frame.raw) for page \(page), which has another"
      }
      let isSeen = traces.seesStores(to: PPN(page)) && !traces.isNewlyWatched(PPN(page))
      if entry.access.contains(.write) && isSeen { return "devices store to page \(page) unseen" }
    }
    for (_, page, entry) in devices.iommu.cachedEntries() where !(deviceEntry(PPN(page))?.allows(entry) ?? false) {
      return "the IOTLB has page \(page), which its table has not"
    }
    for page in devices.pinned where isPinned(page) && !isBacked(page) {
      return "page \(page.raw) is pinned and has no frame"
    }
    return nil
  }
}

extension IOMMU.Entry {
  /// Whether this entry lets through all that another one does.
  func allows(_ other: IOMMU.Entry) -> Bool { frame == other.frame && access.isSuperset(of: other.access) }
}
