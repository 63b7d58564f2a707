internal import Paging

/// Which machine memory is in use, in runs of 1 GiB, and by whom: what all domains of a machine share.
struct MachineRegions {
  /// A GiB of a domain's physical memory.
  struct Region: Hashable {
    var domain: DomainID
    var number: UInt64

    /// The physical page that one of its machine pages backs.
    func page(_ page: MPN) -> PPN { PPN(number << MachineRegions.shift | page.raw & (MachineRegions.pages - 1)) }
  }

  /// What each GiB of machine memory backs, nil: the hypervisor's own frames.
  private var regions: [Region?]
  private var freeFrames: [MPN] = []
  private var nextFrame: UInt64 = 0
  /// Free frames for tables larger than a page.
  private var block: Range<UInt64> = 0..<0

  /// Pages of a region: 2 to this power.
  static var shift: UInt64 { 18 }
  static var pages: UInt64 { 1 << shift }

  /// `frames`: how many there are that somebody else gives away.
  init(beyond frames: UInt64 = 0) {
    regions = Array(repeating: nil, count: max(1, Int((frames + Self.pages - 1) >> Self.shift)))
  }

  /// Takes the next GiB of machine memory, for one of a domain's, or with nil for the hypervisor; returns its number.
  mutating func claim(_ region: Region?) -> UInt64 {
    regions.append(region)
    return UInt64(regions.count - 1)
  }

  /// The region that a machine page backed at first, nil for the hypervisor's own frames and for what is no memory.
  func region(of page: MPN) -> Region? {
    let number = page.raw >> Self.shift
    return number < UInt64(regions.count) ? regions[Int(number)] : nil
  }

  /// Whether a machine page is memory of any kind, or of a device.
  func isMemory(_ page: MPN) -> Bool { page.raw >> Self.shift < UInt64(regions.count) }

  /// The machine pages that a domain was given from the start.
  func frames(of domain: DomainID) -> [Range<UInt64>] {
    regions.indices.filter { regions[$0]?.domain == domain }.map {
      let first = UInt64($0) << Self.shift
      return first..<first + Self.pages
    }
  }

  /// A machine frame for the hypervisor itself; its contents are whatever they were.
  mutating func allocate() -> MPN {
    if let frame = freeFrames.popLast() { return frame }
    let frame = nextFrame
    nextFrame += 1
    if nextFrame & (Self.pages - 1) == 0 { nextFrame = claim(nil) << Self.shift }
    return MPN(frame)
  }

  /// Frames in a row for a table larger than a page, aligned to its size; `count` is a power of two.
  mutating func allocate(_ count: UInt64) -> MPN {
    if count == 1 { return allocate() }
    var first = (block.lowerBound + count - 1) / count * count
    if first + count > block.upperBound {
      first = claim(nil) << Self.shift
      var end = first + Self.pages
      while end < first + count { end = (claim(nil) + 1) << Self.shift }
      block = first..<end
    }
    block = first + count..<block.upperBound
    return MPN(first)
  }

  /// Takes a frame back.
  mutating func free(_ frame: MPN) { freeFrames.append(frame) }
}
