internal import Paging

/// Where the guest's physical memory lies in machine memory (P2M), and its inverse (M2P).
///
/// Physical memory is backed from the start, in runs of 1 GiB: the first region that is used gets the second GiB of
/// machine memory, and so on; the first, and whatever else they need, belongs to the hypervisor's own frames. A page may
/// be given another frame later. On a bare machine the two spaces are one.
struct Physmap {
  let isIdentity: Bool
  /// Whose physical memory it is.
  let domain: DomainID
  /// Machine memory, which other domains may share.
  var regions: MachineRegions
  /// Machine region of each physical region in use.
  private var machineRegions: [UInt64: UInt64] = [:]
  /// The pair of regions used last.
  private var latest: (physical: UInt64, machine: UInt64) = (.max, 0)
  /// The frames of pages that have not the one in their region any more, nil: none; and the inverse.
  private var movedPages: [PPN: MPN?] = [:]
  private var movedFrames: [MPN: PPN?] = [:]
  /// The 2 MiB and the 1 GiB that have such a page.
  private var movedRegions: [PageSize: Set<UInt64>] = [:]
  /// Frames that the hypervisor holds for itself, or gave to pages that had another.
  private(set) var ownFrames: UInt64 = 0
  private(set) var ownFramesPeak: UInt64 = 0

  /// What P2M has for a page that the guest has given back: no frame of any machine (`INVALID_P2M_ENTRY`).
  static var noFrame: MPN { MPN(0xff_ffff_ffff) }

  /// `hostFrames`: frames that a host gives one by one, which no run of this memory may take.
  init(isIdentity: Bool, of domain: DomainID = .guest, hostFrames: UInt64 = 0) {
    self.isIdentity = isIdentity
    self.domain = domain
    regions = MachineRegions(beyond: hostFrames)
  }

  /// The machine page behind a physical page.
  mutating func machine(_ page: PPN) -> MPN {
    if isIdentity { return MPN(page.raw) }
    if !movedPages.isEmpty, let moved = movedPages[page] { return moved ?? Self.noFrame }
    let region = page.raw >> MachineRegions.shift
    if region != latest.physical {
      let machine = machineRegions[region] ?? regions.claim(.init(domain: domain, number: region))
      machineRegions[region] = machine
      latest = (region, machine)
    }
    return MPN(latest.machine << MachineRegions.shift | page.raw & (1 << MachineRegions.shift - 1))
  }

  /// The frame that has been put behind a page, nil if none has.
  func known(_ page: PPN) -> MPN? { movedPages[page] ?? nil }

  /// The machine address behind a physical address.
  mutating func machine(_ address: PhysicalAddress) -> MachineAddress {
    MachineAddress(machine(address.page).address.raw | address.offset)
  }

  /// Whether one machine page of a size is behind the physical one that begins with a page.
  mutating func isWhole(_ first: PPN, _ size: PageSize) -> Bool {
    if size > .small, movedRegions[size]?.contains(first.raw / size.pages) == true { return false }
    let machine = machine(first)
    // The regions have the size of the largest page.
    return machine.first(of: size) == machine
  }

  /// Puts another frame behind a physical page; returns it. What the old one holds stays there.
  mutating func move(_ page: PPN) -> MPN {
    let frame = allocateFrame()
    put(frame, behind: page)
    return frame
  }

  /// The physical page that a machine page backs, nil for the hypervisor's own frames.
  func physical(_ page: MPN) -> PPN? {
    if isIdentity { return PPN(page.raw) }
    if !movedFrames.isEmpty, let moved = movedFrames[page] { return moved }
    return builtPage(page)
  }

  /// The physical page that a machine page backed at first, nil for the hypervisor's own frames and other domains'.
  func builtPage(_ page: MPN) -> PPN? {
    guard let region = regions.region(of: page), region.domain == domain else { return nil }
    return region.page(page)
  }

  /// Whether a machine page is memory of any kind, or of a device.
  func isMemory(_ page: MPN) -> Bool { isIdentity || regions.isMemory(page) }

  /// A frame is the guest's no more: its page has none.
  mutating func remove(_ frame: MPN) {
    guard !isIdentity else { return }
    if let page = physical(frame) { movedPages.updateValue(nil, forKey: page) }
    movedFrames.updateValue(nil, forKey: frame)
  }

  /// A frame backs a page from the start.
  mutating func build(_ frame: MPN, behind page: PPN) {
    movedPages.updateValue(frame, forKey: page)
    movedFrames.updateValue(page, forKey: frame)
  }

  /// A frame backs a page of the guest from now on.
  mutating func put(_ frame: MPN, behind page: PPN) {
    guard !isIdentity else { return }
    let before = machine(page)
    if before != Self.noFrame { movedFrames.updateValue(nil, forKey: before) }
    movedPages.updateValue(frame, forKey: page)
    movedFrames.updateValue(page, forKey: frame)
    for size in [PageSize.large, .huge] { movedRegions[size, default: []].insert(page.raw / size.pages) }
  }

  /// A machine frame for the hypervisor itself; its contents are whatever they were.
  mutating func allocateFrame() -> MPN { allocateFrames(1) }

  /// Frames in a row for a table larger than a page, aligned to its size; `count` is a power of two.
  mutating func allocateFrames(_ count: UInt64) -> MPN {
    ownFrames += count
    ownFramesPeak = max(ownFramesPeak, ownFrames)
    return regions.allocate(count)
  }

  /// Takes a frame back.
  mutating func free(_ frame: MPN) {
    ownFrames -= 1
    regions.free(frame)
  }
}
