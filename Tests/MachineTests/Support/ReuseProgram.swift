import Paging

@testable import Machine

/// A random guest with a working set that moves: pages of 4K and 2M, some of them global or read-only, in two address
/// spaces that share all tables below the top, on one or two processors.
struct ReuseProgram {
  private static let smallPages: UInt64 = 24
  private static let largePages: UInt64 = 4

  private var random: SplitMix64
  private var guest = Guest()
  private var roots: [UInt64] = []
  private let hasPCID: Bool
  private let cpus: Int
  /// Small pages that are read-only still.
  private var readOnly: Set<UInt64> = []

  init(seed: UInt64) {
    random = SplitMix64(seed: seed &* 0x1000_0003)
    hasPCID = random.oneIn(2)
    cpus = random.pick([1, 1, 2])
  }

  mutating func make() -> Guest {
    setUp()
    var first: UInt64 = 0
    for _ in 0..<2500 {
      if random.oneIn(40) { first = random.next() % Self.smallPages }
      if random.oneIn(12) { change() } else { access(near: first) }
    }
    return guest
  }

  private mutating func setUp() {
    for page in 0..<Self.smallPages {
      var rights = EntryFlags.readWriteUser
      if page % 5 == 0 {
        rights = .readUser
        readOnly.insert(page)
      }
      if page % 3 == 0 { rights.formUnion(.global) }
      guest.map(page << 12, to: 0x100_0000 + page << 12, rights)
    }
    for page in 0..<Self.largePages { guest.map((page + 8) << 21, to: 0x1000_0000 + page << 21, size: .large) }
    roots = [guest.root, guest.addRoot()]
    guest.set(guest.words[guest.root, default: 0], at: roots[1])
    let cr4 = CR4.pae | CR4.globalPages | (hasPCID ? CR4.pcid : 0)
    for cpu in (0..<cpus).reversed() {
      if cpus > 1 { guest.cpu(UInt64(cpu)) }
      if cpu == cpus - 1 { guest.boot(cr4: cr4) } else { bootNext(cr4) }
    }
  }

  private mutating func bootNext(_ cr4: UInt64) {
    guest.append(.loadCR4, cr4)
    guest.cr3(guest.root)
  }

  private mutating func access(near first: UInt64) {
    let isNear = !random.oneIn(6)
    let page = isNear ? (first + random.next() % 7) % Self.smallPages : random.next() % Self.smallPages
    let address = random.oneIn(8) ? (8 + random.next() % Self.largePages) << 21 | random.next() & 0x1f_f000 : page << 12
    guest.access(Access(random.pick([AccessKind.load, .load, .store, .fetch]), user: random.oneIn(2)), address + 8)
  }

  private mutating func change() {
    let page = random.next() % Self.smallPages
    switch random.below(8) {
    case 0, 1, 2: guest.invlpg(page << 12)
    case 3: guest.invlpg((8 + random.next() % Self.largePages) << 21)
    case 4:
      let space = random.below(2)
      let keeps = hasPCID && random.oneIn(2)
      guest.cr3(roots[space] | (hasPCID ? UInt64(space) : 0) | (keeps ? 1 << 63 : 0))
    case 5 where hasPCID: guest.invpcid(UInt16(random.pick([0, 0, 0, 1, 3])), pcid: random.next() % 2, va: page << 12)
    case 6 where cpus > 1: guest.cpu(UInt64(random.below(cpus)))
    default:
      // More rights, which needs no flush.
      guard let page = readOnly.sorted().first, random.oneIn(3) else { return }
      readOnly.remove(page)
      let flags = EntryFlags.readWriteUser.rawValue | (page % 3 == 0 ? EntryFlags.global.rawValue : 0)
      guest.store(0x100_0000 + page << 12 | flags | 0x20, at: guest.entry(page << 12))
    }
  }
}
