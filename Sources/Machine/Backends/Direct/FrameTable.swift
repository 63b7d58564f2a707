internal import Paging

/// Xen's frame table and the rules by which frames get and lose owners, types and references (Xen, arch/x86/mm.c:
/// `get_page_type`, `put_page_type`, `get_page_from_l1e`, `mod_l1_entry` and their like).
///
/// A frame has one type at a time while its type count is not 0, so no frame is a page table and mapped writable at once.
struct FrameTable: ~Copyable {
  private var frames = PageMap<Frame>()
  /// Frames that have ever had a type, a reference or a new owner, in order, for the recount of the invariants.
  private(set) var known: [MPN] = []
  private var isKnown = PageMap<Bool>()
  /// Frames that each domain owns beyond those that it was built with (fewer: negative).
  var gained: [DomainID: Int] = [:]
  /// Those among them that are outside of its RAM, for its port.
  var extras: [DomainID: Int] = [:]
  /// Frames that are free, those freed last at the end.
  var heap: [MPN] = []
  /// Pages of RAM that the domains were built with that do not run now.
  var built: [DomainID: UInt64] = [:]
  /// ``MachineState/flushClock`` of the domains that do not run now.
  var clocks: [DomainID: UInt64] = [:]
  /// Those among them that must flush all of their CPUs before they run again.
  var owedFlushes: Set<DomainID> = []
  /// Domains that have been destroyed: what they had is scrubbed, as it becomes free.
  var dead: Set<DomainID> = []
  /// Frames that were freed while the domain that had them did not run, which has yet to take them out of its P2M.
  var freedAway: [DomainID: [MPN]] = [:]
  /// What devices may reach, and the domains that have some.
  var iommu = IOMMU()
  var devices: Set<DomainID> = []
  /// Frames that the tables of the IOMMU may take on a host.
  var deviceTables = 0
  /// A mapping of another domain's frame has gone, and may still be in TLBs.
  var hasDroppedForeign = false
  /// Frames that may still be taken from the machine beyond those in the heap.
  var reserve = UInt64.max
  /// The frames are those of a host that several machines share: each is given by it, and goes back to it.
  var isOnHost = false
  /// The kernel runs in ring 3, where US says nothing of it: entries are adjusted, and Xen has slots of its own.
  var adjustsEntries = false
  /// Where the entries are that point to a table, while they are noted.
  var notesLinks = false
  private(set) var links: [MPN: [MachineAddress]] = [:]
  /// Entries that are validated until an interrupt comes; nil: none does.
  var interruptInterval: Int?
  var untilInterrupt = 0
  /// Tables that were validated since somebody last looked, while they are noted.
  var notesTables = false
  var newTables: [MPN] = []
  /// The guest's pages whose frames went, likewise.
  var freedPages: [PPN] = []
  /// The outermost table whose validation was interrupted.
  var interrupted: MPN?

  subscript(frame: MPN) -> Frame { frames[frame.raw] ?? Frame() }

  mutating func set(_ frame: MPN, _ value: Frame) {
    if isKnown[frame.raw] != true {
      isKnown.set(frame.raw, true)
      known.append(frame)
    }
    frames.set(frame.raw, value)
  }

  mutating func noteLink(_ place: MachineAddress, to table: MPN) { links[table, default: []].append(place) }

  mutating func forgetLink(_ place: MachineAddress, to table: MPN) {
    links[table]?.removeAll { $0 == place }
    if links[table]?.isEmpty == true { links[table] = nil }
  }

  mutating func change(_ frame: MPN, _ body: (inout Frame) -> Void) {
    var value = self[frame]
    body(&value)
    set(frame, value)
  }
}
