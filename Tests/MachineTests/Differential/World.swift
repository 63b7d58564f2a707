import Paging

@testable import Machine

/// A random guest at work: knows its tables and registers, writes the operations down, and says which faults must come.
struct World {
  struct CPU {
    var registers: ControlRegisters
    var root = 0
    /// Roots whose PCID must be flushed at the next load of CR3.
    var unclean: Set<Int> = []
    /// Translations that other CPUs' stores have made stale here: to be flushed before the next access.
    var pending: [Mapping] = []
    /// Translations of global pages that the TLB may hold.
    var globals: [Mapping] = []
    /// PAE paging: the pointers as they were loaded.
    var pointers: [UInt64] = []
  }

  /// A translation as the tables have it, whatever its rights.
  struct Mapping: Hashable {
    var root: Int
    var va: UInt64
    var level: Int
    /// log2 of its page's size.
    var shift: UInt64
    var frame: UInt64
    var isGlobal: Bool
    /// RW, US, not NX over all levels.
    var rights: UInt64

    func covers(_ address: UInt64) -> Bool { (va ^ address) >> shift == 0 }
  }

  let plan: Plan
  let pages: [UInt64]
  var guest: Guest
  /// The tables exactly, A and D included, as a machine without caches leaves them.
  var words: [UInt64: UInt64] = [:]
  var roots: [UInt64] = []
  var tables: [(page: UInt64, level: Int)] = []
  /// Tables that have been given up and not announced again.
  var dead: Set<UInt64> = []
  var cpus: [CPU] = []
  var current = 0
  var expected: [Fault] = []
  /// Physical pages that were written, with the operation: by stores, and by the walker that sets A and D.
  var written: [(operation: UInt64, page: UInt64)] = []
  /// Pages of tables that walks have read.
  var walked: [(operation: UInt64, page: UInt64)] = []
  /// Pages with pointers of PAE paging that walks use; under NPT they read them there.
  var pointersRead: [(operation: UInt64, page: UInt64)] = []
  var random = SplitMix64(seed: 0)

  init(_ plan: Plan, _ steps: [Step]) {
    self.plan = plan
    pages = Layout.pages(levels: plan.levels)
    guest = Guest(levels: plan.levels, root: Layout.root)
    random = SplitMix64(seed: ~plan.seed)
    setUp()
    for step in steps {
      random = SplitMix64(seed: step.dice)
      carryOut(step.kind)
    }
  }

  private mutating func setUp() {
    guest.append(.ram, Layout.ram)
    tables = [(Layout.root, plan.levels)]
    let middle = Array(repeating: plan.levels - 1, count: 3) + (plan.levels > 2 ? [2, 2, 2] : [])
    for level in [plan.levels] + middle + [1, 1, 1, 1] {
      tables.append((guest.addTable(level: level), level))
    }
    if plan.levels == 5 { for _ in 0..<2 { tables.append((guest.addTable(level: 3), 3)) } }
    roots = tables.filter { $0.level == plan.levels }.map(\.page)
    for table in tables {
      for index in Layout.indices(table.level, of: plan.levels) {
        words[table.page | Layout.offset(index, of: plan.levels)] = randomEntry(table.level, mostly: true)
      }
    }
    for (place, word) in words { guest.set(word, at: place) }
    for table in tables { guest.announce(table.page) }
    var registers = ControlRegisters.initial
    registers.cr4 |= (plan.hasPCID ? CR4.pcid : 0) | (plan.hasGlobals ? CR4.globalPages : 0)
    if plan.levels == 5 { registers.cr4 |= CR4.la57 }
    if plan.levels < 4 { registers.efer = EFER.noExecute }
    if plan.levels == 2 { registers.cr4 = registers.cr4 & ~CR4.pae | CR4.pse }
    cpus = Array(repeating: CPU(registers: registers), count: plan.cpus)
    for index in cpus.indices.reversed() {
      if cpus.count > 1 { guest.cpu(UInt64(index)) }
      guest.append(.loadCR4, registers.cr4)
      if plan.levels < 4 { guest.append(.loadEFER, registers.efer) }
      guest.cr3(roots[0] | pcid(0))
      loadPointers(index)
    }
    // Direct paging counts no update before the first access: the domain is being built.
    let first: UInt64 = plan.levels < 4 ? 0x7000_0000 : 0x7000_0000_0000
    guest.read(first)
    _ = perform(ReferenceWalker.Request(va: first))
  }

  /// PAE paging: what a load of CR3, or of CR4 with other bits, does.
  mutating func loadPointers(_ cpu: Int) {
    guard plan.levels == 3 else { return }
    let root = roots[cpus[cpu].root]
    cpus[cpu].pointers = (0..<4).map { words[root + $0 * 8, default: 0] }
  }

  /// One PCID a root, where there are any.
  func pcid(_ root: Int) -> UInt64 { plan.hasPCID && !plan.sharesPCID ? UInt64(root) * 5 : 0 }

  private mutating func carryOut(_ kind: Step.Kind) {
    switch kind {
    case .access: accessSomething()
    case .store: storeSomething()
    case .announce: announceSomething()
    case .gone: giveUpSomething()
    case .loadCR3: loadCR3()
    case .flip: flipSomething()
    case .cpu where plan.cpus == 1: transferSomething()
    case .cpu: switchCPU(random.below(cpus.count))
    case .invalidate where plan.hasMarks && random.oneIn(2): guest.append(.mark)
    case .invalidate: guest.invlpg(random.pick(pages) + UInt64(random.below(4096)))
    }
  }

  mutating func switchCPU(_ index: Int) {
    guard index != current else { return }
    current = index
    guest.cpu(UInt64(index))
  }

  /// A device reads or writes data or a table, whose words it leaves as they are.
  private mutating func transferSomething() {
    let first = random.pick(Layout.data.dropFirst() + tables.map(\.page)) + UInt64(random.pick([0, 8, 0xff8]))
    let length = UInt64(random.pick([1, 8, 0x1000, 0x1800]))
    let writes = random.oneIn(2)
    guest.dma(first, length, writes: writes)
    guard writes else { return }
    for page in first >> 12...(first + length - 1) >> 12 { written.append((guest.next - 1, page)) }
  }

  // MARK: Accesses

  var walker: ReferenceWalker {
    let registers = cpus[current].registers
    var walker = ReferenceWalker()
    walker.levels = plan.levels
    walker.writeProtect = registers.cr0 >> 16 & 1 == 1
    walker.noExecuteEnable = registers.efer >> 11 & 1 == 1
    walker.smep = registers.cr4 >> 20 & 1 == 1
    walker.pageSizeExtensions = registers.cr4 >> 4 & 1 == 1
    walker.kernelInRing3 = plan.hasTwoBases
    walker.smap = registers.cr4 >> 21 & 1 == 1
    return walker
  }

  /// What the running CPU makes of a request.
  func walk(_ request: ReferenceWalker.Request) -> ReferenceWalker.Result {
    let cpu = cpus[current]
    let pointers = plan.levels == 3 ? cpu.pointers : nil
    return walker.walk(request, root: roots[cpu.root], pointers: pointers) { words[$0, default: 0] }
  }

  private mutating func accessSomething() {
    let va = random.pick(pages) + UInt64(random.pick([0, 8, 0xff0, 0xffc]))
    let user = random.oneIn(2)
    let kind = random.pick(AccessKind.allCases)
    var request = ReferenceWalker.Request(
      va: va, user: user && !isGlobalToKernel(va), write: kind == .store, fetch: kind == .fetch)
    if plan.flavour == .direct && hitsTable(request) { request.write = false }
    prepareAccess(va)
    let isCrossing = va & 0xfff == 0xffc && !request.fetch
    if isCrossing { prepareAccess(va + 4) }
    if request.fetch {
      guest.fetch(va, user: request.user)
    } else if request.write {
      guest.write(va, user: request.user)
    } else {
      guest.read(va, user: request.user)
    }
    guard perform(request), isCrossing else { return }
    request.va = va + 4
    _ = perform(request)
  }

  /// A kernel in ring 3 with a user page in its half: it is global, and user code may or may not find it in the TLB.
  private func isGlobalToKernel(_ va: UInt64) -> Bool {
    guard plan.hasTwoBases && va >> 63 == 1 else { return false }
    return [va, va + 4].contains { path($0, cpus[current].root).leaf & 5 == 5 }
  }

  /// Direct paging refuses plain stores to tables, but for those that Xen emulates.
  private func hitsTable(_ request: ReferenceWalker.Request) -> Bool {
    [request.va, (request.va + 4) & ~0xfff].contains { va in
      var request = request
      request.va = va
      let result = walk(request)
      return tables.contains { $0.page == result.pa & ~0xfff }
    }
  }

  /// Makes an access by the tables as they are: sets A and D, or books the fault. Returns whether it was allowed.
  mutating func perform(_ request: ReferenceWalker.Request) -> Bool {
    let result = walk(request)
    walked += result.read.map { (guest.next - 1, $0 >> 12) }
    if let pointer = result.pointer { pointersRead.append((guest.next - 1, pointer >> 12)) }
    if let code = result.code {
      expected.append(Fault(operation: guest.next - 1, va: request.va, code: code))
      return false
    }
    for place in result.read { set(0x20, at: place) }
    if request.write, let leaf = result.read.last {
      set(0x40, at: leaf)
      written.append((guest.next - 1, result.pa >> 12))
    }
    if let mapping = mapping(request.va, cpus[current].root), mapping.isGlobal {
      cpus[current].globals.append(mapping)
    }
    return true
  }

  private mutating func set(_ bit: UInt64, at place: UInt64) {
    if words[place, default: 0] & bit == 0 { written.append((guest.next - 1, place >> 12)) }
    words[place, default: 0] |= bit
  }

  /// The translation of an address, whatever its rights; nil if there is none that a processor may cache.
  func mapping(_ va: UInt64, _ root: Int) -> Mapping? {
    let result = path(va, root)
    guard result.leafLevel > 0 else { return nil }
    var rights: UInt64 = 7
    for place in result.read {
      let word = words[place, default: 0]
      rights &= word >> 1 & 3 | (word >> 63 ^ 1) << 2
    }
    let shift = Layout.shift(result.leafLevel, of: plan.levels)
    let size = UInt64(1) << shift
    return Mapping(
      root: root, va: va, level: result.leafLevel, shift: shift, frame: result.pa / size * size,
      isGlobal: result.leaf >> 8 & 1 == 1, rights: rights)
  }

  /// A walk that only absent entries and reserved bits end.
  func path(_ va: UInt64, _ root: Int) -> ReferenceWalker.Result {
    var walker = ReferenceWalker()
    walker.levels = plan.levels
    let request = ReferenceWalker.Request(va: va, user: false)
    return walker.walk(request, root: roots[root]) { words[$0, default: 0] }
  }
}
