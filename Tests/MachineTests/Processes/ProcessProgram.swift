import Paging

@testable import Machine

/// What one random process trace is like.
struct ProcessPlan {
  enum Flavour {
    /// Memory for all, small pages: every fault can be foretold.
    case plain
    /// Too little memory: pages come and go.
    case pressed
    /// Large pages, with or without too little memory.
    case large
  }

  var flavour: Flavour
  var seed: UInt64
  var machine: MachineDescription
  var ram: UInt64
  var keys: [(String, String)] = []
  var isImplicit: Bool
  var hasZeroPage: Bool
  var faultAround: UInt64

  init(_ flavour: Flavour, seed: UInt64) {
    var random = SplitMix64(seed: seed &* 0x3000_0005)
    self.flavour = flavour
    self.seed = seed
    machine = random.pick([MachineDescription.roomy, .roomy, .tight, .plainTLB, .bareFiveLevels])
    isImplicit = random.oneIn(2)
    hasZeroPage = !random.oneIn(3)
    faultAround = random.pick([16, 1, 2, 64])
    ram =
      flavour == .plain ? 0x800_0000 : flavour == .pressed ? UInt64(26 + random.below(30)) << 12 : 0x70_0000
    if flavour == .large && random.oneIn(2) { ram = 0x200_0000 }
    keys = [
      ("guest.maps", isImplicit ? "implicit" : "explicit"), ("guest.zero-page", hasZeroPage ? "on" : "off"),
      ("guest.fault-around", faultAround == 1 ? "off" : String(faultAround)),
      ("guest.pcid", random.pick(["on", "off"])), ("guest.large-pages", flavour == .large ? "on" : "off"),
      ("guest.reclaim", random.pick(["1", "4", "32"])), ("guest.flush-ceiling", random.pick(["0", "2", "33", "4096"])),
      ("shadow.store", random.pick(["invalidate", "update", "unsync"])),
      ("shadow.prefetch", random.pick(["0", "1", "3", "32"])), ("shadow.pages", random.pick(["0", "6", "9", "14"])),
      ("shadow.unshadow", random.pick(["off", "user", "zeros", "flood", "all"])),
      ("emulated-tlb.globals", random.pick(["drop", "keep"])),
      ("software-tlb.reserved", random.pick(["0", "2", "8"])), ("software-tlb.virtual", random.pick(["0", "100"])),
    ]
    // What the direct map's own tables take is too much for those that are to be short of memory.
    let direct = random.pick(["none", "none", "4K", "2M", "1G"])
    keys.append(("guest.direct-map", flavour == .large && direct == "4K" ? "2M" : direct))
    if flavour == .pressed && direct == "4K" { ram += 8 << 12 }
    keys.append(("direct.batch", random.pick(["none", "until-flush", "2", "32"])))
    keys.append(("direct.stores", random.pick(["hypercall", "emulate", "detach"])))
    var rings = SplitMix64(seed: seed &* 0x1000_0000_0007)
    keys.append(("direct.rings", rings.pick(["1", "3"])))
  }

  func settings() -> Settings {
    var settings = Settings()
    for (key, value) in keys {
      if let problem = settings.set(key, to: value) { preconditionFailure("\(key)=\(value): \(problem)") }
    }
    return settings
  }

  var description: String {
    "\(flavour), \(machine.name), " + keys.map { "\($0.0)=\($0.1)" }.joined(separator: " ")
  }

  func steps() -> [ProcessStep] {
    var random = SplitMix64(seed: seed)
    return (0..<30 + random.below(150)).map { _ in
      ProcessStep(kind: random.pick(ProcessStep.weighted), dice: random.next())
    }
  }
}

/// One thing that a random trace has; what it means depends on the processes there are, so that a list can be cut.
struct ProcessStep {
  enum Kind { case access, fork, run, exec, exit, map, unmap, protect, discard, remap }
  var kind: Kind
  var dice: UInt64

  static let weighted: [Kind] =
    Array(repeating: .access, count: 22)
    + [.fork, .fork, .run, .run, .run, .exec, .exit, .map, .map, .map, .unmap, .unmap, .protect, .protect, .protect]
    + [.discard, .remap, .remap]
}

/// A random process trace, with what must come of it.
struct ProcessProgram {
  private(set) var guest = Guest()
  private(set) var lines = ["memlab-trace 1", "guest process"]
  private(set) var faults: [Foretold] = []
  private(set) var signals: [Foretold] = []
  private var plain: PlainProcesses
  private var running: UInt64 = 1
  private var latest: UInt64 = 1
  private var random = SplitMix64(seed: 0)
  private let plan: ProcessPlan

  struct Foretold: Hashable {
    var operation: UInt64
    var page: UInt64
  }

  init(_ plan: ProcessPlan, _ steps: [ProcessStep]) {
    self.plan = plan
    plain = PlainProcesses(isImplicit: plan.isImplicit)
    plain.hasZeroPage = plan.hasZeroPage
    plain.faultAround = plan.faultAround
    add("ram \(plan.ram)", Operation(.ram, plan.ram))
    for step in steps {
      random = SplitMix64(seed: step.dice)
      add(step.kind)
    }
  }

  private mutating func add(_ line: String, _ operation: Operation, _ words: [UInt64] = []) {
    lines.append(line)
    guest.append(operation, words)
  }

  private mutating func add(_ kind: ProcessStep.Kind) {
    switch kind {
    case .access: for _ in 0..<1 + random.below(6) { access() }
    case .fork:
      guard plain.processes.count < (plan.flavour == .pressed ? 3 : 6) else { return access() }
      latest += 1
      let parent = random.pick(plain.processes.keys.sorted())
      plain.fork(parent, latest)
      add("fork \(parent) \(latest)", Operation(.fork, parent), [latest])
    case .run: run(random.pick(plain.processes.keys.sorted() + (random.oneIn(6) ? [latest + 1] : [])))
    case .exec:
      let process = random.pick(plain.processes.keys.sorted())
      plain.exec(process)
      add("exec \(process)", Operation(.exec, process))
    case .exit: exit()
    case .map, .unmap, .protect, .discard: change(kind)
    case .remap: remap()
    }
  }

  private mutating func run(_ process: UInt64) {
    latest = max(latest, process)
    running = process
    plain.create(process)
    add("switch \(process)", Operation(.switchProcess, process))
  }

  private mutating func exit() {
    let process = random.pick(plain.processes.keys.sorted())
    plain.exit(process)
    add("exit \(process)", Operation(.exit, process))
    if process == running { run(plain.processes.keys.min() ?? latest + 1) }
  }

  // MARK: Pages

  /// Few enough that things meet, in several tables, at the ends of tables and of large pages.
  private mutating func page() -> UInt64 {
    switch random.below(5) {
    case 0, 1: 0x10 + UInt64(random.below(12))
    case 2: 0x1fa + UInt64(random.below(12))
    case 3: plan.flavour == .large ? 0x400 + UInt64(random.below(1024)) : 0x40_0000 + UInt64(random.below(4))
    default: 0x7_ffff_fff0 + UInt64(random.below(16))
    }
  }

  private mutating func access() {
    let page = page()
    let kind = random.pick([0, 0, 0, 1, 1, 1, 2])
    let crosses = kind != 2 && page + 1 < 1 << 35 && random.oneIn(8)
    let address = page << 12 + (crosses ? 0xffc : UInt64(random.below(512)) * 8)
    let size: UInt16 = kind == 2 ? 1 : 8
    let pages = crosses ? [page, page + 1] : [page]
    for each in pages {
      let place = Foretold(operation: guest.next, page: each)
      switch plain.access(running, each, kind) {
      case .hit: continue
      case .fault: faults.append(place)
      case .signal:
        faults.append(place)
        signals.append(place)
      }
      if signals.last == place { break }
    }
    let operation: [Operation.Kind] = [.load, .store, .fetch]
    add(
      "\(["r", "w", "x"][kind]) \(String(address, radix: 16)) \(size)",
      Operation(operation[kind], address, size: size, flags: .user))
  }

  private mutating func change(_ kind: ProcessStep.Kind) {
    let first = page()
    let limit = plan.flavour == .large && random.oneIn(2) ? 1200 : 14
    let pages = first..<min(first + 1 + UInt64(random.below(limit)), 1 << 35)
    let length = UInt64(pages.count) << 12 - (random.oneIn(4) ? 0xff8 : 0)
    let address = pages.lowerBound << 12
    let rights = random.pick([UInt16(6), 6, 7, 4, 5, 0, 3])
    let text = String(address, radix: 16)
    switch kind {
    case .map: map(pages, rights, length)
    case .unmap:
      plain.unmap(running, pages)
      add("unmap \(text) \(length)", Operation(.unmap, address), [length])
    case .protect:
      plain.protect(running, pages, rights)
      add(
        "protect \(text) \(length) \(rights == 0 ? "-" : Self.letters(rights))",
        Operation(.protect, address, size: rights), [length])
    default:
      plain.drop(running, pages)
      add("discard \(text) \(length)", Operation(.discard, address), [length])
    }
  }

  private mutating func map(_ pages: Range<UInt64>, _ rights: UInt16, _ length: UInt64) {
    let isFile = random.oneIn(2)
    let isShared = random.oneIn(3)
    let named = isFile && random.oneIn(2) ? (file: UInt64(random.below(3)), offset: UInt64(random.below(6))) : nil
    plain.map(running, pages, rights, isFile: isFile, isShared: isShared, named: named)
    let letters = Self.letters(rights) + (isFile ? "f" : "") + (isShared ? "s" : "")
    let address = pages.lowerBound << 12
    var operation = Operation(.map, address, size: rights | (isFile ? 8 : 0) | (isShared ? 16 : 0))
    var words = [length]
    if let named {
      operation.flags = .hasPayload
      words += [named.file, named.offset << 12]
    }
    add(
      "map \(String(address, radix: 16)) \(length) \(letters.isEmpty ? "-" : letters)"
        + (named.map { " file \($0.file) \($0.offset << 12)" } ?? ""), operation, words)
  }

  private mutating func remap() {
    let limit = plan.flavour == .large && random.oneIn(2) ? 1200 : 14
    let first = page()
    let old = first..<min(first + 1 + UInt64(random.below(limit)), 1 << 35)
    var target = random.oneIn(4) ? first : page()
    if plan.flavour == .large && first < 1 << 34 && random.oneIn(2) { target = first + 1024 }
    let new = target..<min(target + 1 + UInt64(random.below(limit)), 1 << 35)
    if target != first && old.overlaps(new) { return access() }
    plain.move(running, old, to: new)
    let lengths = [old, new].map { UInt64($0.count) << 12 - (random.oneIn(4) ? 0xff8 : 0) }
    add(
      "remap \(String(first << 12, radix: 16)) \(lengths[0]) \(String(target << 12, radix: 16)) \(lengths[1])",
      Operation(.remap, first << 12), [lengths[0], target << 12, lengths[1]])
  }

  private static func letters(_ rights: UInt16) -> String {
    (rights & 4 != 0 ? "r" : "") + (rights & 2 != 0 ? "w" : "") + (rights & 1 != 0 ? "x" : "")
  }
}
