internal import Paging

/// All that a modelled kernel asks of the machine that it runs on, as Linux asks by its paravirtual operations.
///
/// There are two ways to carry it out, and the kernel does not know which it has: plain stores, MOV to CR3 and INVLPG on a
/// bare machine and under the hypervisors that pretend to be one; hypercalls under direct paging, where Xen must accept a
/// page as a table before an entry may lead to it, and every change of an entry after that.
protocol KernelPort: ~Copyable {
  /// An entry of a table, with the A and D bits that the machine has set.
  mutating func entry(at place: PhysicalAddress) throws(ReplayError) -> UInt64
  /// Stores an entry of a table that is in use.
  mutating func store(_ entry: UInt64, at place: PhysicalAddress) throws(ReplayError)
  /// Makes a page a table with these 512 words, before anything leads to it.
  mutating func enter(_ page: PPN, level: Int, _ words: [UInt64]) throws(ReplayError)
  /// A page is a table no longer; nothing leads to it.
  mutating func retire(_ page: PPN, level: Int) throws(ReplayError)
  /// No CPU will use an address space again; its tables come top first. Returns whether they are ordinary memory from
  /// now on, so that nobody need see how they are emptied (Linux under Xen, `xen_exit_mmap`).
  mutating func abandon(_ tables: [TablePage]) throws(ReplayError) -> Bool
  /// MOV to CR3, bit 63 as the architecture has it.
  mutating func loadRoot(_ value: UInt64) throws(ReplayError)
  mutating func invalidate(_ address: VirtualAddress) throws(ReplayError)

  /// Fills a page with zeros.
  mutating func clear(_ page: PPN) throws(ReplayError)
  mutating func copy(_ source: PPN, to destination: PPN) throws(ReplayError)
  /// What a page holds, as a version number; 0 without checks.
  mutating func contents(of page: PPN) -> UInt64
  /// A disk has put something in a page.
  mutating func setContents(of page: PPN, _ version: UInt64)

  /// Fills a page with zeros, so that nobody finds what it held.
  mutating func scrub(_ page: PPN) throws(ReplayError)
  /// Flushes all TLBs of everything.
  mutating func flushTLBs() throws(ReplayError)
  /// The hypervisor takes machine frames, which the guest has to let go of itself, rather than pages.
  var givesFrames: Bool { get }
  /// A disk is about to read a page.
  mutating func writesOut(_ page: PPN)
  /// Gives the frames behind pages back to the hypervisor; returns of how many.
  mutating func giveBack(_ pages: [PPN]) throws(ReplayError) -> Int
  /// Asks for frames behind pages; returns how many it got.
  mutating func populate(_ pages: [PPN]) throws(ReplayError) -> Int
  /// Number of the operation that is carried out.
  var now: UInt64 { get }

  mutating func count(_ counter: WritableKeyPath<Counters, UInt64>, _ number: UInt64)
  func error(_ message: String) -> ReplayError
}

extension KernelPort where Self: ~Copyable {
  mutating func count(_ counter: WritableKeyPath<Counters, UInt64>) { count(counter, 1) }
}

/// A page that is a table of a level.
struct TablePage {
  var page: PPN
  var level: Int
}
