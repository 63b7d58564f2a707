import Paging

@testable import Machine

/// What one random guest is like: drawn from the seed, before its steps.
struct Plan {
  enum Flavour {
    /// Flushes what the architecture demands (SDM 3A 4.10.4.2), and nothing else: every mode gives the same faults.
    case flushing
    /// Leaves flushes out: only the staleness oracle binds.
    case omitting
    /// Flushes, and is well-formed enough for direct paging: each table has one level, nothing is reserved or
    /// recursive.
    case direct
  }

  var flavour: Flavour
  var levels: Int
  var cpus: Int
  var hasPCID: Bool
  /// All address spaces have PCID 0, and CR3 loads may keep what it has cached: a guest that omits flushes.
  var sharesPCID: Bool
  var hasGlobals: Bool
  var machine: MachineDescription
  /// Entries may lead to any table, whatever its level, themselves included.
  var isTangled: Bool
  var seed: UInt64
  var nested = NestedSettings()
  var isNestedTableEager = false
  /// Dirty logging of nested paging; the other modes know write protection alone.
  var dirtyLog = DirtyLogSettings()
  /// Turns CR4.SMAP on and off, with EFLAGS.AC clear.
  var hasSMAP = false
  /// Marks begin and end the memory traces.
  var hasMarks = false
  /// Under direct paging the kernel runs in ring 3, so that other accesses fault.
  var hasTwoBases = false

  init(_ flavour: Flavour, seed: UInt64, machine: MachineDescription? = nil, hasTwoBases: Bool = false) {
    self.hasTwoBases = hasTwoBases
    var random = SplitMix64(seed: seed &* 0x1000_0001)
    self.flavour = flavour
    self.seed = seed
    levels = flavour != .direct && random.oneIn(4) ? 5 : 4
    cpus = random.pick([1, 1, 2, 3])
    hasPCID = random.oneIn(2)
    // A die of its own, so that the other guests stay what they were.
    var mode = SplitMix64(seed: seed &* 0x4000_0007)
    if flavour != .direct && mode.oneIn(3) {
      levels = mode.pick([2, 3])
      hasPCID = false
    }
    hasGlobals = random.oneIn(2)
    isTangled = flavour != .direct && random.oneIn(2)
    sharesPCID = flavour == .omitting && random.oneIn(4)
    let drawn = random.pick([MachineDescription.roomy, .roomy, .tight, .plainTLB, .bareFiveLevels])
    self.machine = machine ?? drawn
    if machine == nil { drawGeometry() }
    drawNested(&random, hasCaches: machine == nil)
    hasSMAP = flavour != .direct && random.oneIn(3)
    hasMarks = random.oneIn(3)
  }

  /// TLBs and caches of walks of any shape, of which some answer without a look-up and some do not.
  private mutating func drawGeometry() {
    var random = SplitMix64(seed: seed &* 0x1000_0000_0001)
    guard random.oneIn(3) else { return }
    func level() -> [TLBGeometry] {
      let shared: [[[PageSize]]] = [
        [[.small, .large, .huge]], [[.small], [.large, .huge]], [[.small], [.large], [.huge]],
        [[.small, .huge], [.large]],
      ]
      return random.pick(shared).map {
        TLBGeometry($0, sets: random.pick([1, 1, 2, 3, 4, 8]), ways: random.pick([1, 2, 4, 8, 12, 17]))
      }
    }
    machine.name += " with drawn caches"
    (machine.l1Data, machine.l1Instruction, machine.l2) = (level(), level(), level())
    for level in 2...5 where machine.pagingStructureCaches[level] != nil {
      machine.pagingStructureCaches[level] = random.pick([1, 3, 16, 17, 40])
    }
    machine.walkCaches = [8, 16, 3].map { CacheGeometry(sets: random.pick([1, 2, 3]), ways: $0, cycles: UInt64($0)) }
  }

  /// The settings of nested paging, and its caches.
  private mutating func drawNested(_ random: inout SplitMix64, hasCaches: Bool) {
    nested.format = random.oneIn(2) ? .npt : .ept
    nested.hasAccessedDirty = random.oneIn(2)
    nested.hasVPID = random.oneIn(2)
    nested.levels = random.pick([4, 4, 5, 2, 1])
    nested.page = nested.levels == 1 ? .small : random.pick(nested.levels == 2 ? [.small, .huge] : PageSize.allCases)
    nested.isTLBForTablesOnly = random.oneIn(3)
    nested.areStructuresForTablesOnly = random.oneIn(3)
    var more = SplitMix64(seed: seed &* 0x8000_000b)
    nested.hasModeBasedExecute = more.oneIn(3)
    nested.reportsGuestRights = more.oneIn(3)
    nested.hasHostNoExecute = !more.oneIn(3)
    isNestedTableEager = random.oneIn(4) && nested.page == .huge
    drawDirtyLog(&random)
    guard hasCaches else { return }
    if random.oneIn(2) { machine.nestedTLB = [TLBGeometry(PageSize.allCases, sets: 1, ways: 1 + random.below(6))] }
    if random.oneIn(2) { machine.nestedStructureCaches = [2: 1 + random.below(4), 3: 2, 4: 1] }
    guard random.oneIn(3) else { return }
    machine.pagingStructureCaches = [:]
    machine.nestedStructureCaches = [:]
    machine.pageWalkCache = PageWalkCacheGeometry(entries: random.pick([1, 3, 8, 24, 100]), cycles: 2)
  }

  private mutating func drawDirtyLog(_ random: inout SplitMix64) {
    guard random.oneIn(2) else { return }
    let hasDirtyBits = nested.hasAccessedDirty || nested.format == .npt
    var methods = [DirtyLogMethod.writeProtection]
    if hasDirtyBits { methods.append(.dirtyBits) }
    if hasDirtyBits && nested.format == .ept { methods.append(.modificationLog) }
    dirtyLog.method = random.pick(methods)
    dirtyLog.interval = random.pick([1, 7, 30, 1000])
    dirtyLog.rounds = random.pick([0, 0, 1, 3])
    // Pages are small from the start, or large ones are split on the way.
    isNestedTableEager = false
    if nested.page != .huge && random.oneIn(2) { dirtyLog.start = 1 + random.below(120) }
  }

  /// Steps of a random length: each is its kind and the dice that decide its particulars.
  func steps() -> [Step] {
    var random = SplitMix64(seed: seed)
    return (0..<40 + random.below(120)).map { _ in Step(kind: random.pick(Step.weighted), dice: random.next()) }
  }
}

extension Plan {
  /// Values of the keys of shadow paging and of the emulated TLB, drawn from the seed. `isExact`: D must be seen at once,
  /// so no table may be out of step.
  private func drawnKeys(isExact: Bool) -> [(String, String)] {
    var random = SplitMix64(seed: seed &* 0x2000_0003)
    var keys = [("emulated-tlb.globals", random.pick(["drop", "keep"])), ("guest.ac", hasSMAP ? "0" : "1")]
    if hasTwoBases { keys.append(("direct.rings", "3")) }
    if random.oneIn(4) { return keys }
    let onStore = random.pick(["invalidate", "update", "unsync"])
    keys.append(("shadow.store", isExact && onStore == "unsync" ? "update" : onStore))
    keys.append(("shadow.prefetch", random.pick(["0", "1", "3", "32"])))
    keys.append(("shadow.pages", random.pick(["0", "1", "6", "9", "14"])))
    keys.append(("shadow.evict", random.pick(["oldest", "lru"])))
    keys.append(("shadow.unshadow", random.pick(["off", "user", "misaligned", "zeros", "flood", "all"])))
    keys.append(("shadow.large", random.pick(["splinter", "keep"])))
    keys.append(("shadow.wp", random.pick(["emulate", "flip"])))
    keys.append(("shadow.zeros", random.pick(["1", "2"])))
    keys.append(("shadow.flood", random.pick(["1", "3"])))
    keys.append(("trace.when", hasMarks ? "marks" : "start"))
    if random.oneIn(4) { keys.append(("trace.device", "200000+1000")) }
    if random.oneIn(4) { keys.append(("trace.cow", random.pick(["201000+1000", "100000+4000"]))) }
    if random.oneIn(4) { keys.append(("trace.frame-buffer", "102000+3000")) }
    keys.append(("cpu.technique", random.pick(["none", "binary-translation"] + Technique.allCases.map(\.rawValue))))
    keys.append(("monitor.hiding", random.pick(["off", "address-space", "protection", "protection"])))
    keys.append(("monitor.tlb", random.pick(["untagged", "untagged", "tagged"])))
    // Parts of a table, whole tables, and a range that no guest of these uses.
    let ranges = ["0+200000", "200000+400000", "40000000+40000000", "8000000000+8000000000", "top"]
    keys.append(("monitor.range", random.pick(ranges)))
    keys.append(("emulated-tlb.capacity", random.pick(["0", "1", "3", "8"])))
    keys.append(("emulated-tlb.tags", random.pick(["none", "pcid"])))
    keys.append(("direct.batch", random.pick(["none", "until-flush", "2", "7"])))
    keys.append(("direct.stores", random.pick(["hypercall", "emulate", "detach", "detach"])))
    keys.append(("direct.iommu", random.pick(["off", "on"])))
    keys.append(("direct.preempt", random.pick(["0", "0", "1", "100", "700"])))
    // Devices store past a dirty log by an IOMMU.
    keys.append(
      ("dma.translation", random.pick(dirtyLog.method == .none ? ["copy", "list", "iommu"] : ["copy", "list"])))
    keys.append(("dma.duration", random.pick(["0", "3", "50"])))
    return keys
  }

  func settings(isExact: Bool) -> Settings {
    var settings = Settings()
    for (key, value) in drawnKeys(isExact: isExact) {
      if let problem = settings.set(key, to: value) { preconditionFailure("\(key)=\(value): \(problem)") }
    }
    return settings
  }

  func settingsText(isExact: Bool) -> String {
    drawnKeys(isExact: isExact).map { "\($0.0)=\($0.1)" }.joined(separator: " ")
  }
}

/// One thing that a random guest does. Its meaning depends on the state it meets, so that any list of steps makes a
/// well-behaved guest, and a failing list can be cut.
struct Step {
  enum Kind: CaseIterable { case access, store, announce, gone, loadCR3, flip, cpu, invalidate }
  var kind: Kind
  var dice: UInt64

  static let weighted: [Kind] =
    Array(repeating: .access, count: 14) + Array(repeating: .store, count: 8)
    + [.announce, .gone, .loadCR3, .loadCR3, .loadCR3, .flip, .cpu, .cpu, .invalidate]
}

/// Where a random guest's things lie.
enum Layout {
  static let root: UInt64 = 0x10_0000
  static let ram: UInt64 = 0x8000_0000
  static let data: [UInt64] = [0x20_0000, 0x20_1000, 0x20_2000, 0x3f_f000]
  static let large: [UInt64] = [0, 0x20_0000, 0x4000_0000]
  static let device: UInt64 = 0x8000_0000

  /// Indices that entries are stored at, in the top-level table and in all others.
  static func indices(_ level: Int, of levels: Int) -> [UInt64] {
    level < levels ? [0, 1, 2] : levels == 2 ? [0, 1, 1023] : levels == 3 ? [0, 1, 3] : [0, 1, 511]
  }

  /// log2 of the bytes that an entry of a level covers.
  static func shift(_ level: Int, of levels: Int) -> UInt64 {
    levels == 2 ? UInt64(2 + 10 * level) : UInt64(3 + 9 * level)
  }

  /// Where the entry with an index lies in its table.
  static func offset(_ index: UInt64, of levels: Int) -> UInt64 { levels == 2 ? index << 2 : index << 3 }

  /// Every page that the indices lead to, as a canonical address.
  static func pages(levels: Int) -> [UInt64] {
    var addresses: [UInt64] = [0]
    for level in stride(from: levels, through: 1, by: -1) {
      addresses = addresses.flatMap { above in
        indices(level, of: levels).map { above | $0 << shift(level, of: levels) }
      }
    }
    if levels < 4 { return addresses }
    let unused = UInt64(52 - 9 * levels)
    return addresses.map { UInt64(bitPattern: Int64(bitPattern: $0 << unused) >> Int64(unused)) }
  }
}
