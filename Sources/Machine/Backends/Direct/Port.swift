internal import Paging

/// What a paravirtualized kernel keeps to itself: which of its pages are tables, where each of its pages is mapped, and
/// what it had to change in its own tables for Xen to accept them.
struct Port: ~Copyable {
  /// Tables that the trace has announced, to be registered before what links them is asked for.
  var announced: [(page: PPN, level: Int)] = []
  /// Tables of the port's own that registering them takes at most.
  var announcedParts = 0
  /// Level of each page that is a table, its words in machine terms.
  private(set) var levels: [PPN: Int] = [:]
  /// Where a page is mapped by level-1 entries.
  var reverseMap = ReverseMap()
  /// Level-1 entries that the kernel wants writable and that are not, since they map a table.
  private var withheld: Set<MachineAddress> = []
  /// The table of 4 KiB entries (for 1 GiB: of tables) that stands for a large page, by the entry that maps it.
  private(set) var splits: [MachineAddress: MPN] = [:]
  /// The base table for user mode that goes with a top-level table.
  private(set) var userBases: [PPN: MPN] = [:]
  /// US, G and bit 52 as the kernel wants them in entries where Xen has them otherwise, by the number of the entry's word.
  private var wanted = PageMap<UInt8>()

  func isRegistered(_ page: PPN) -> Bool { levels[page] != nil }
  mutating func setLevel(_ level: Int?, of page: PPN) { levels[page] = level }

  func isWithheld(_ place: MachineAddress) -> Bool { withheld.contains(place) }
  mutating func setWithheld(_ isWithheld: Bool, at place: MachineAddress) {
    if isWithheld { withheld.insert(place) } else { withheld.remove(place) }
  }

  mutating func setUserBase(_ table: MPN?, of page: PPN) { userBases[page] = table }

  private static var adjusted: EntryFlags { [.user, .global, .kernelPage] }

  /// Keeps what the kernel wants of an entry; nil: what it has.
  mutating func setWanted(_ flags: UInt64?, at place: MachineAddress) {
    guard let flags else {
      if wanted[place.raw >> 3] != nil { wanted.set(place.raw >> 3, 0) }
      return
    }
    let kept = EntryFlags(rawValue: flags)
    var bits: UInt8 = 1
    if kept.contains(.user) { bits |= 2 }
    if kept.contains(.global) { bits |= 4 }
    if kept.contains(.kernelPage) { bits |= 8 }
    wanted.set(place.raw >> 3, bits)
  }

  /// An entry with the flags that the kernel wanted.
  func restored(_ entry: UInt64, at place: MachineAddress) -> UInt64 {
    guard let kept = wanted[place.raw >> 3], kept & 1 != 0 else { return entry }
    var flags: EntryFlags = []
    if kept & 2 != 0 { flags.insert(.user) }
    if kept & 4 != 0 { flags.insert(.global) }
    if kept & 8 != 0 { flags.insert(.kernelPage) }
    return entry & ~Self.adjusted.rawValue | flags.rawValue
  }

  mutating func setSplit(_ table: MPN?, at place: MachineAddress) { splits[place] = table }
}
