internal import Paging

/// What a paravirtualized kernel keeps to itself: which of its pages are tables, where each of its pages is mapped, and
/// what it had to change in its own tables for Xen to accept them.
struct Port {
  /// Tables that the trace has announced, to be registered before what links them is asked for.
  var announced: [(page: PPN, level: Int)] = []
  /// Level of each page that is a table, its words in machine terms.
  private(set) var levels: [PPN: Int] = [:]
  /// Where a page is mapped by level-1 entries.
  var reverseMap = ReverseMap()
  /// Level-1 entries that the kernel wants writable and that are not, since they map a table.
  private var withheld: Set<MachineAddress> = []
  /// The table of 4 KiB entries (for 1 GiB: of tables) that stands for a large page, by the entry that maps it.
  private(set) var splits: [MachineAddress: MPN] = [:]

  func isRegistered(_ page: PPN) -> Bool { levels[page] != nil }
  mutating func setLevel(_ level: Int?, of page: PPN) { levels[page] = level }

  func isWithheld(_ place: MachineAddress) -> Bool { withheld.contains(place) }
  mutating func setWithheld(_ isWithheld: Bool, at place: MachineAddress) {
    if isWithheld { withheld.insert(place) } else { withheld.remove(place) }
  }

  mutating func setSplit(_ table: MPN?, at place: MachineAddress) { splits[place] = table }
}
