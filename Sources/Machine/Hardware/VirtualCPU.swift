internal import Paging

/// One virtual CPU: the guest's registers, and the translation caches of the processor that runs it.
struct VirtualCPU: ~Copyable {
  let index: Int
  /// As the guest sees them.
  var registers = ControlRegisters.initial
  /// What a walk of the guest's own tables obeys.
  var guestControls: PagingControls
  /// What the hardware's walk obeys: the guest's controls, or the hypervisor's where it walks the hypervisor's tables.
  var hardwareControls: PagingControls
  /// The accesses that each of the eight ``Rights`` allows under the hardware's controls.
  var allowedByRights = InlineArray<8, UInt64>(repeating: 0)
  /// The top-level table that the hardware walks (nested: the guest's, by machine address).
  var root = MPN(0)
  /// PAE paging: what the guest's last load put in the registers for its four pointers.
  var guestPointers = InlineArray<4, UInt64>(repeating: 0)
  /// PAE paging: the pointers that the hardware's walk begins with, to machine pages.
  var pointers = InlineArray<4, UInt64>(repeating: 0)
  /// The hardware's walks take the long way: there is a page-walk cache, or tables are not those of long mode.
  private(set) var walksByEntries = false
  var fetches: TLBLevel
  var data: TLBLevel
  var second: TLBLevel
  /// Where the entries used lately of ``data`` and ``fetches`` are.
  let recent: RecentEntries
  /// What the loop asks for an access, by ``Access/code``.
  private(set) var tables: InlineArray<8, RecentEntries.Table>
  private let seesAll: Bool
  /// Instead of those three, on machines that have no walker.
  var softwareTLB: SoftwareTLB?
  var structures: PagingStructureCaches<VirtualSpace>
  /// Tagged by an entry's own address; on machines without ``structures``.
  let pageWalks: PageWalkCache
  /// Of the nested table; empty in other modes.
  var nested: NestedCaches
  /// Nested table, VPID and PCID as in ``TLBEntry/tag``.
  var context: UInt64 = 0 {
    didSet { if context != oldValue { forgetRecent() } }
  }
  /// Whose translations the CPU makes: part of ``context``.
  private(set) var owner = TranslationOwner()
  /// Nested tables that the CPU has run with, 0 for none: entries may be of any of them.
  private(set) var nestedTables: [UInt64] = [0]
  /// An access has been made: register loads from now on are instructions, before it they set the state.
  var hasStarted = false
  /// The accesses (``Access/bit``s) of the mode that the guest is in, kernel or user, where each has a base table of its
  /// own; else all.
  var modeAccesses = GuestMode.any { didSet { chooseTables() } }
  /// What was dropped from the TLBs, for whoever wants to know.
  var dropLog: DropLog?
  /// Size of the guest's page that a walk found last.
  private(set) var latestSize = PageSize.small
  /// What TLBs of all sizes would hold, if that is measured; the TLB is then a filter before it.
  var reuse: ReuseStacks?
  /// ``MachineState/flushClock`` when this CPU was last flushed for all others' sake.
  var flushClock: UInt64 = 0

  init(index: Int, _ machine: borrowing MachineState) {
    self.index = index
    let description = machine.description
    recent = RecentEntries()
    tables = InlineArray(repeating: recent.nothing)
    seesAll = machine.seesAll
    fetches = TLBLevel(description.l1Instruction, recent: recent.fetches)
    data = TLBLevel(description.l1Data, recent: recent.data)
    second = TLBLevel(description.l2)
    softwareTLB = description.softwareTLB.map { geometry in
      let isShared = machine.mode != .native
      let reserved = isShared ? min(machine.settings.reservedTLBEntries, geometry.entries - geometry.wired - 1) : 0
      let seed = isShared ? 0xd1b5_4a32_d192_ed03 : SoftwareTLB.guestSeed
      return SoftwareTLB(geometry, wired: geometry.wired + reserved, seed: seed)
    }
    let caches = machine.settings.walkCaches
    structures = PagingStructureCaches(caches == .none ? [:] : description.pagingStructureCaches)
    pageWalks = PageWalkCache(caches == .none ? nil : description.pageWalkCache, holdsNested: caches == .all)
    nested =
      caches == .all
      ? NestedCaches(tlb: description.nestedTLB, structures: description.nestedStructureCaches, pageWalks.array)
      : NestedCaches(tlb: [], structures: [:])
    guestControls = machine.controls(for: registers)
    hardwareControls = guestControls
    dropLog = machine.logsDrops ? DropLog() : nil
    reuse = machine.measuresReuse ? ReuseStacks() : nil
    flushClock = machine.flushClock
    setHardwareControls(guestControls)
    chooseTables()
  }

  /// Runs somebody else from now on, whose entries are told from all others'.
  mutating func run(_ owner: TranslationOwner) {
    self.owner = owner
    if !nestedTables.contains(owner.nestedTable) { nestedTables.append(owner.nestedTable) }
    context = owner.raw | context & TLBEntry.pcidMask
    nested.table = owner.nestedTable
    dropLog?.note(nil)
  }

  /// The first TLB level, which the loop has asked in vain, has no entry for a page at all. False: it may have one.
  @inline(__always) func lacksFirst(_ page: UInt64, _ access: Access) -> Bool {
    access.isFetch ? fetches.surelyLacks(page, context: context) : data.surelyLacks(page, context: context)
  }

  /// The entry that the first TLB level has for a page, 0 if none.
  @inline(__always) mutating func lookUpFirst(_ page: UInt64, _ access: Access) -> UInt64 {
    access.isFetch ? fetches.lookUp(page, context: context) : data.lookUp(page, context: context)
  }

  /// What the TLBs hold.
  var entries: [TLBEntry] { fetches.entries() + data.entries() + second.entries() }

  /// The software-managed TLB gives this for a page until something is forgotten.
  func noteLone(_ page: UInt64, _ entry: UInt64, _ access: Access) {
    if access.isFetch { fetches.noteLone(page, entry) } else { data.noteLone(page, entry) }
  }

  /// Enters a completed walk in the TLBs. `isNew`: neither level had an entry for the page.
  mutating func fill(_ page: VPN, _ translation: Translation, for access: Access, isNew: Bool) {
    latestSize = translation.guestSize
    var data = TLBData.make(translation, allowed: allowedByRights[Int(translation.rights.raw & 7)])
    if let allowed = reuse?.fill(page.raw, data, context: context, access) { data = allowed }
    second.fill(page.raw, data: data, context: context, isNew: isNew)
    fillFirst(page, data, for: access, isNew: isNew)
  }

  /// Enters an entry of the second level, or of a walk, in the first.
  mutating func fillFirst(_ page: VPN, _ entry: UInt64, for access: Access, isNew: Bool) {
    if access.isFetch {
      fetches.fill(page.raw, data: entry, context: context, isNew: isNew)
    } else {
      data.fill(page.raw, data: entry, context: context, isNew: isNew)
    }
  }

  /// Where the hardware's walk of an address begins without a cache's help; nil: its pointer is not present.
  func top(_ address: VirtualAddress) -> WalkStart? {
    guard hardwareControls.levels == 3 else {
      return WalkStart(level: hardwareControls.levels, table: root, rights: .all)
    }
    let pointer = PageTableEntry<MachineSpace>(pointers[Int(address.raw >> 30 & 3)])
    return pointer.isPresent ? WalkStart(level: 2, table: pointer.frame, rights: .all) : nil
  }

  /// Works out which way walks take, after the hardware's controls have changed.
  mutating func chooseWalker() { walksByEntries = pageWalks.isPresent || hardwareControls.levels < 4 }

  /// The loop may let an access pass if it is of the mode that the guest is in: one of another changes the mode first.
  private mutating func chooseTables() {
    for code in 0..<8 { tables[code] = recent.table(code, allowed: modeAccesses, seesAll: seesAll) }
  }

  /// What the loop asks no longer holds: other entries, or a software-managed TLB's, are to answer.
  func forgetRecent() {
    recent.data.forgetAll()
    recent.fetches.forgetAll()
  }
}
