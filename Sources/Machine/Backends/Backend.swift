internal import Paging

/// One way of virtualizing the MMU: what happens after a TLB miss, and on the guest's own changes of its tables and
/// registers. TLBs, the loop, memory and the books are the machine's and shared by all.
///
/// Contract:
/// - `walk` is called only after the TLBs missed, and again after `resolve` said `.retry`.
/// - The guest's registers in `cpu` have their new values when a `load…` is called; `cpu.root` and the hardware's
///   controls are the backend's to set.
/// - A table store that is an access has been translated, and its word written, before `stored` is called; it is called
///   for a store only if the hypervisor saw it: the fault that it caused was emulated, or it came through no mapping.
/// - True faults do not depend on the backend: same number, order, code and address in every mode.
/// - A backend books what it does (hidden faults, exits, cycles) where it does it.
protocol Backend: ~Copyable {
  init(_ machine: inout MachineState) throws(ReplayError)

  /// The first access of a CPU is about to be made: its registers are set. `isFirst`: no CPU has made one before.
  mutating func start(_ cpu: inout VirtualCPU, _ machine: inout MachineState, isFirst: Bool) throws(ReplayError)

  /// The hardware's walk after a TLB miss.
  mutating func walk(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> WalkOutcome

  /// The same walk where it is short and succeeds without setting anything: the entry for the TLB. Else 0, and nothing has
  /// been counted or changed but the order of use of caches, which `walk`, asking the same, leaves as it is.
  mutating func walkPlainly(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> UInt64

  /// The hardware's walk, or a TLB entry, refused an access.
  mutating func resolve(
    _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution

  /// A page-table store of the guest; the whole way of it is the backend's in direct paging alone.
  static var storesByHypercall: Bool { get }

  /// Direct paging: the port has the entry changed. Otherwise: the hypervisor saw a store to the word at `address`.
  mutating func stored(
    _ store: TableStore, _ cpu: inout VirtualCPU, _ machine: inout MachineState) throws(ReplayError)

  /// The hypervisor emulated a store to a watched page; the trace does not have its value.
  mutating func storedUnknown(_ address: PhysicalAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// A store through no mapping is about to be made to a watched page.
  mutating func sawStore(to address: PhysicalAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// The memory traces of the settings begin, or end, at this operation.
  mutating func switchTraces(_ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// Code of the guest's kernel on a page is being translated: stores to it must be seen from now on.
  mutating func translated(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// The guest loaded CR3, and with it the pointers of PAE paging: the registers have the new values. `keeps`: bit 63 was set, nothing need be dropped.
  mutating func loadedCR3(
    keeps: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState) throws(ReplayError)

  /// The guest changed CR0, CR4 or EFER; `old` are all registers before. The TLBs have been flushed as that demands.
  mutating func loadedControls(
    _ old: ControlRegisters, _ cpu: inout VirtualCPU, _ machine: inout MachineState) throws(ReplayError)

  /// INVLPG of a canonical address.
  mutating func invalidated(_ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// INVPCID; the operand has been found valid.
  mutating func invalidated(
    _ operation: PCIDInvalidation, _ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// The trace tells what a page holds, 512 words, that is reachable as a table, or is about to be: they go to memory,
  /// and an earlier life of the page ends.
  mutating func announced(
    _ page: PPN, level: Int, words: [UInt64], _ cpu: inout VirtualCPU, _ machine: inout MachineState)
    throws(ReplayError)

  /// The trace hints that a page is no longer reachable as a table.
  mutating func gone(_ page: PPN, level: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// Why stores cannot be logged as the settings ask; nil if they can.
  static func dirtyLogProblem(_ settings: Settings) -> String?

  /// Dirty logging has begun in a machine that has started: no more store may pass unseen.
  mutating func beganDirtyLog(_ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// A round of dirty logging ends: the log must have all its pages, and see the next store to each.
  mutating func harvestDirtyLog(_ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// Dirty logging has ended.
  mutating func endedDirtyLog(_ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// There is one at all.
  static var hasHypervisor: Bool { get }

  /// The mode's hypervisor has hypercalls for what a trace asks by name.
  static var takesHypercalls: Bool { get }

  /// The guest makes a hypercall; `vm`: which guest. Returns the words of its tables that it changed.
  mutating func hypercall(
    _ text: String, vm: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(ReplayError) -> [TableStore]

  /// A device of the guest's reaches memory by itself; false if the mode, as it is set, has no such devices.
  mutating func transfer(
    _ address: PhysicalAddress, length: UInt64, writes: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Bool

  /// The guest's kernel relies on all that it has changed: what a backend holds back is carried out.
  mutating func settle(_ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// The guest's ways from user mode to kernel mode and back concern the mode's hypervisor.
  static var seesModes: Bool { get }

  /// The guest goes from one to the other, if it is not there already.
  mutating func changed(_ mode: ModeChange, _ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// Whether a page-table store is one of an instruction, through the mapping that the trace names, in a mode whose
  /// stores are hypercalls.
  func emulatesStore(to address: PhysicalAddress, _ machine: inout MachineState) -> Bool

  /// Such a store is about to be made.
  mutating func preparesStore(to address: PhysicalAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// What the hypervisor books of a machine frame; nil if it keeps no such books.
  func account(of frame: MPN) -> FrameAccount?

  /// The guest's balloon driver: all TLBs are flushed; frames behind pages are given back, or asked for. The latter two
  /// return how many.
  mutating func flushTLBs(_ cpu: inout VirtualCPU, _ machine: inout MachineState)
  mutating func giveBack(_ pages: [PPN], _ cpu: inout VirtualCPU, _ machine: inout MachineState) -> Int
  mutating func populate(_ pages: [PPN], _ cpu: inout VirtualCPU, _ machine: inout MachineState) -> Int

  /// Why a machine with these settings cannot share a host with others; nil if it can.
  static func hostProblem(_ settings: Settings) -> String?

  /// A domain that keeps its frames gets them from the host.
  mutating func build(_ machine: inout MachineState)

  /// Names what such a domain has that the host's books do not, or the other way round; nil if they agree.
  borrowing func violatedHostInvariant(_ machine: borrowing MachineState) -> String?

  /// The host takes the frames behind pages, or wants to see their next use: no table and no TLB may lead to them any more.
  mutating func unmap(_ pages: [PPN], _ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// Frames that one exit may need beyond those that any may.
  var furtherFrames: Int { get }

  /// The replay has ended.
  mutating func finish(_ cpu: inout VirtualCPU, _ machine: inout MachineState)

  /// The guest's own view of an entry of its tables, after the mode's changes to it have been undone.
  borrowing func guestEntry(at address: PhysicalAddress, _ machine: inout MachineState) -> UInt64

  /// Names an invariant of the mode that does not hold, nil if all do. Called between operations, with checks on.
  borrowing func violatedInvariant(_ cpu: borrowing VirtualCPU, _ machine: inout MachineState) -> String?
}

/// A page-table store of the guest.
struct TableStore {
  /// Of the entry, of 8 bytes or of 4.
  var address: PhysicalAddress
  var value: UInt64
  var isUser = false
  /// The entry has 4 bytes (32-bit paging).
  var isNarrow = false
  /// The instruction stored the whole entry, or several, and nothing else.
  var isAligned = true
}

/// INVPCID, decoded (SDM 2A, INVPCID).
enum PCIDInvalidation {
  case address(VirtualAddress, pcid: UInt64)
  case context(pcid: UInt64)
  case allContexts
  case allContextsNonGlobal
}
