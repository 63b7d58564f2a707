internal import Paging

/// What all virtual CPUs and the hypervisor share: memory, where the guest's lies in it, and the books.
struct MachineState: ~Copyable {
  private let passing = PassedByAddress()
  let description: MachineDescription
  let settings: Settings
  let mode: Mode
  let guest: TraceHeader.Guest
  var memory = MachineMemory()
  var physmap: Physmap
  /// The machine shares a host with others, which has the frames.
  let isOnHost: Bool
  /// The host backs its pages on demand, and may take their frames; a domain under direct paging has its own from the start.
  let isHosted: Bool
  /// The host looks for pages that hold the same: stores are followed.
  let sharesPages: Bool
  /// Every access goes the long way: it is checked, or stores are followed.
  let seesAll: Bool
  /// Where its pages are there.
  var hosted: HostedPages?
  /// What the host has, while this machine runs.
  var host = HostMemory()
  /// The caches behind the page walker, one set for all CPUs.
  var walkCache: WalkCache
  var counters = Counters()
  var traces = MemoryTraces()
  /// What the guest's devices may reach.
  var devices = Devices()
  /// The traces that the settings ask for are in force.
  var areTracesOn: Bool
  /// What the processor's virtualization makes of each class of intercepted operations.
  let tolls: Tolls
  /// The monitor has an address space of its own, and no tags tell its TLB entries from the guest's.
  let flushesAtExits: Bool
  /// Entries into the monitor for which the TLB has been flushed.
  var flushedEntries: UInt64 = 0
  /// AMD's nested paging: the pointers of PAE paging are read by each walk, and not loaded with CR3 (APM 2 15.25.10).
  let readsPointersInWalks: Bool
  /// The range of virtual addresses that is guarded by protection.
  let guardedRange: MonitorRange?
  /// The one that the guest's segments do not reach.
  let truncatedRange: MonitorRange?
  /// The kernel's code is translated before it runs, and so watched.
  let translatesCode: Bool
  /// Rows of the frame buffer that have been stored to.
  var dirtyRows: Set<UInt64> = []
  var log: Log
  var dirtyLog: DirtyLog
  /// What the rounds before the present one have cost, by the counters.
  var harvested: (exits: UInt64, invepts: UInt64, cycles: UInt64) = (0, 0, 0)
  /// Sees what the dirty log must find; with checks only.
  var observer: StoreObserver?
  /// A flush of all that a CPU has cached is an INVEPT.
  let hasNestedTable: Bool
  /// Pages of physical memory; page numbers from here on are device memory.
  var ramPages: UInt64
  /// What machine frames hold, of a process trace and with checks.
  var contents: FrameContents?
  /// Each CPU measures the reuse of its translations.
  let measuresReuse: Bool
  let logsDrops: Bool
  /// When pages are used for the last time, if somebody asks for it.
  var lastUses: LastUses?
  /// The steps of walks, if somebody asks for them.
  var notes: WalkNotes?
  /// Number of the operation that is carried out.
  var operation: UInt64 = 0
  /// Counts the flushes of all CPUs. A CPU that does not run is flushed when it runs next: nobody can tell.
  private(set) var flushClock: UInt64 = 0
  /// Pages that hold tables by what the trace says, each with a bit for each of its levels.
  private(set) var tableLevels: [PPN: UInt8] = [:]

  /// Memory of a scenario that does not say `ram`, in bytes.
  static var defaultRAM: UInt64 { 4 << 30 }

  init(_ configuration: Configuration) {
    description = configuration.machine
    settings = configuration.settings
    mode = configuration.mode
    measuresReuse = configuration.measuresReuse
    logsDrops = configuration.logsDrops
    guest = configuration.guest
    let technique = settings.monitor.technique.effective(in: configuration.mode)
    tolls = Tolls(technique, description.costs)
    translatesCode = technique == .binaryTranslation
    // Under nested paging the processor itself changes address spaces; on direct paging Xen is in the guest's.
    let sharesSpace = configuration.mode == .shadow || configuration.mode == .emulatedTLB
    let (monitor, range) = (settings.monitor, settings.monitor.range)
    flushesAtExits = sharesSpace && monitor.hiding == .addressSpace && !monitor.hasTags
    let isNPT = settings.nested.format == .npt
    readsPointersInWalks = configuration.mode == .nested && isNPT
    guardedRange = sharesSpace && monitor.hiding == .protection ? range : nil
    truncatedRange = sharesSpace && monitor.hiding == .truncation ? range : nil
    areTracesOn = !settings.traces.beginAtMark
    physmap = Physmap(
      isIdentity: configuration.mode == .native, of: configuration.domain, hostFrames: configuration.share?.frames ?? 0)
    isOnHost = configuration.share != nil
    isHosted = isOnHost && configuration.mode != .direct
    hosted = configuration.share.map { HostedPages($0) }
    let sharesPages = configuration.share?.sharesPages ?? false
    self.sharesPages = sharesPages
    seesAll = configuration.checks || sharesPages || configuration.notesLastUses
    let walkCaches = settings.walkCaches == .none ? [] : description.walkCaches
    walkCache = WalkCache(walkCaches, memory: description.costs.memory)
    log = Log(recordsEvents: configuration.recordsEvents, recordsRounds: configuration.recordsDirtyRounds)
    // A bare machine has nobody to log for.
    dirtyLog = DirtyLog(configuration.mode == .native ? DirtyLogSettings() : settings.dirtyLog)
    hasNestedTable = configuration.mode == .nested
    if settings.dma.translation == .iommu { traces.noteWatched() }
    if configuration.notesLastUses && configuration.mode == .native { lastUses = LastUses() }
    let ram = configuration.share?.size ?? Self.defaultRAM
    ramPages = min(ram, 1 << UInt64(description.maxPhysicalAddressBits)) >> 12
  }

  func isDevice(_ page: PPN) -> Bool { page.raw >= ramPages }

  /// The domain whose state it is.
  var domain: DomainID { physmap.domain }

  /// What a walk of the guest's tables obeys with these registers.
  func controls(for registers: ControlRegisters) -> PagingControls {
    PagingControls(
      registers, maxPhysicalAddressBits: description.maxPhysicalAddressBits,
      hasHugePages: description.hasHugePages, alignmentCheckFlag: settings.guestAlignmentCheck)
  }

  /// Flushes everything on the CPU that runs, and on every other before it runs again.
  mutating func flushAllCPUs(_ cpu: inout VirtualCPU) {
    flushClock += 1
    catchUp(&cpu)
  }

  /// Carries out the flush that other CPUs asked of this one.
  mutating func catchUp(_ cpu: inout VirtualCPU) {
    if cpu.flushClock < flushClock {
      if hasNestedTable {
        cpu.invept(.table(cpu.owner.nestedTable))
        counters.invepts += 1
      } else {
        cpu.flushAll()
      }
    }
    cpu.flushClock = flushClock
  }

  /// The guest's word at a physical address.
  mutating func guestWord(_ address: PhysicalAddress) -> UInt64 { memory.read(place(of: address)) }

  /// Replaces the guest's word at a physical address.
  mutating func setGuestWord(_ address: PhysicalAddress, _ value: UInt64) {
    memory.write(place(of: address), value)
  }

  /// The guest's table entry at a physical address: of 4 bytes if those are what its tables have.
  mutating func guestEntry(_ address: PhysicalAddress, under controls: PagingControls) -> UInt64 {
    let place = place(of: address)
    return controls.hasNarrowEntries ? memory.readNarrow(place) : memory.read(place)
  }

  /// Replaces the guest's table entry at a physical address, of 4 bytes or of 8.
  mutating func setGuestEntry(_ address: PhysicalAddress, _ value: UInt64, isNarrow: Bool) {
    let place = place(of: address)
    if isNarrow { memory.writeNarrow(place, value) } else { memory.write(place, value) }
  }

  /// Replaces all 512 words of a page of the guest.
  mutating func setGuestPage(_ page: PPN, _ words: [UInt64]) {
    let first = frame(of: page).address.raw
    for (index, word) in words.enumerated() { memory.write(MachineAddress(first + UInt64(index) * 8), word) }
  }

  /// Books a page as a table of a level (0: not known) or, with `isTable` false, as no longer one of it.
  mutating func noteTable(_ page: PPN, level: Int, isTable: Bool = true) {
    if isTable { lastUses?.keep(page) }
    let bit = UInt8(1) << UInt8(level)
    let levels = tableLevels[page] ?? 0
    let now = isTable ? levels | bit : levels & ~bit & ~1
    tableLevels[page] = now == 0 ? nil : now
    counters.guestTablePages = UInt64(tableLevels.count)
    noteShadowPages(0)
  }

  /// A page has lost its frame, and what it held.
  mutating func forgetTable(_ page: PPN) {
    tableLevels[page] = nil
    counters.guestTablePages = UInt64(tableLevels.count)
  }

  /// Books shadow pages that were made or, negative, given up: memory bloat is what they are to the guest's own tables.
  mutating func noteShadowPages(_ change: Int) {
    counters.shadowPages = UInt64(Int(counters.shadowPages) + change)
    counters.shadowPagesPeak = max(counters.shadowPagesPeak, counters.shadowPages)
    counters.bloat = counters.shadowPages * 100 / max(counters.guestTablePages, 1)
    counters.bloatPeak = max(counters.bloatPeak, counters.bloat)
  }

  /// Books the peak of machine frames in use: the guest's memory and the hypervisor's own frames.
  mutating func notePeaks() {
    if isOnHost { return noteHosted() }
    counters.machineFramesPeak = ramPages + physmap.ownFramesPeak
  }
}
