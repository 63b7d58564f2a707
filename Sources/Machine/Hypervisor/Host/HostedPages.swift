internal import Paging

/// Where the pages of one machine's physical memory are, on a host that backs them on demand.
struct HostedPages {
  enum Place: Hashable {
    /// The page has never been used, or what it held is nobody's concern any more: it reads as zeros.
    case nowhere
    case frame(MPN)
    /// In the host's swap area.
    case slot(MPN)
    /// The guest's balloon has it.
    case ballooned
  }

  /// The machine's number on its host.
  let number: Int
  /// Two bits of kind below the number of a frame or slot, as far as pages have been used.
  private var places: [UInt64] = []
  /// The stretches of pages whose places one frame of the physmap holds.
  private var stretches: Set<UInt64> = []
  /// The pages that got a frame last, which the host does not take back at once: an access may need several.
  private var latest: [PPN]
  private var next = 0
  /// Pages whose mappings were taken out to see which of them are used, and those that were.
  var sampled: Set<PPN> = []
  var touched = 0
  /// Nothing is to change: somebody checks.
  var isLooking = false
  /// Bytes of memory that the host gives it; nil: what its trace says.
  let size: UInt64?
  /// Tells the files of its image from those of others.
  let image: UInt64
  /// Cycles that a read from the swap area takes.
  let diskCycles: UInt64
  /// The balloon of a recorded kernel.
  var recordedBalloon: RecordedBalloon?
  private(set) var swapped = 0
  private(set) var ballooned = 0

  /// The longest walk needs six.
  private static var kept: Int { 8 }
  /// Places that a frame holds, of 8 bytes each.
  static var stretch: UInt64 { 512 }

  init(_ share: HostShare) {
    number = share.number
    size = share.size
    diskCycles = share.diskCycles
    image = HostedPages.number(of: share.image)
    if !share.lastUses.isEmpty { recordedBalloon = RecordedBalloon(share.lastUses) }
    latest = Array(repeating: PPN(.max), count: Self.kept)
  }

  /// A number for the name of an image, of bits that a version of a file leaves alone (FNV-1a).
  static func number(of image: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in image.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash & ~(1 << 63)
  }

  subscript(page: PPN) -> Place {
    get {
      let word = page.raw < UInt64(places.count) ? places[Int(page.raw)] : 0
      switch word & 3 {
      case 1: return .frame(MPN(word >> 2))
      case 2: return .slot(MPN(word >> 2))
      case 3: return .ballooned
      default: return .nowhere
      }
    }
    set {
      switch self[page] {
      case .slot: swapped -= 1
      case .ballooned: ballooned -= 1
      case .nowhere, .frame: break
      }
      while places.count <= Int(page.raw) { places.append(0) }
      switch newValue {
      case .nowhere: places[Int(page.raw)] = 0
      case .frame(let frame): places[Int(page.raw)] = frame.raw << 2 | 1
      case .slot(let slot):
        places[Int(page.raw)] = slot.raw << 2 | 2
        swapped += 1
      case .ballooned:
        places[Int(page.raw)] = 3
        ballooned += 1
      }
    }
  }

  /// A page is about to get a frame. Returns whether the physmap needs another for its place.
  mutating func note(_ page: PPN) -> Bool {
    latest[next] = page
    next = (next + 1) % Self.kept
    return stretches.insert(page.raw / Self.stretch).inserted
  }

  /// Whether a page got its frame so lately that it stays.
  func isLatest(_ page: PPN) -> Bool { latest.contains(page) }
}
