import Paging

@testable import Machine

/// A machine with a hostile domain, the guest, and a victim, domain 1, and what the hostile one tries.
struct Attack: ~Copyable {
  var backend: DirectBackend
  var machine: MachineState
  var cpu: VirtualCPU
  /// Frames that the attacker knows of, its own first.
  private(set) var frames: [MPN] = []
  private let victim = DomainID(8)
  private var victims: [MPN] = []

  static var ownPages: UInt64 { 20 }
  private static let mark: UInt64 = 0x1337_1337_1337_1337

  init(_ choose: (inout DirectSettings) -> Void = { _ in }) {
    self.init(.guest, on: nil, choose)
    buildVictim()
    frames += victims
  }

  /// On a machine that others attack too.
  init(_ domain: DomainID, on host: XenHost?, _ choose: (inout DirectSettings) -> Void = { _ in }) {
    var configuration = Configuration(mode: .direct, machine: .roomy, guest: .scenario)
    choose(&configuration.settings.direct)
    configuration.domain = domain
    machine = MachineState(configuration)
    machine.ramPages = Self.ownPages
    backend = DirectBackend(&machine)
    cpu = VirtualCPU(index: 0, machine)
    cpu.setHardwareControls(
      PagingControls(cpu.registers, maxPhysicalAddressBits: 52, hasHugePages: true, alignmentCheckFlag: true))
    host?.join(&backend, domain)
    host?.lend(&backend, &machine, &cpu)
    frames = (0..<Self.ownPages).map { machine.physmap.machine(PPN($0)) }
    // A device, Xen's own, and what is no memory at all.
    frames += [machine.physmap.machine(PPN(Self.ownPages + 3)), machine.physmap.allocateFrame(), MPN(0xff_ffff_ffff)]
    buildAttacker()
    host?.takeBack(&backend, &machine)
  }

  /// It hears of frames of others.
  mutating func learn(_ others: [MPN]) { frames += others }

  private mutating func buildVictim() {
    backend.xen.domains[victim] = Xen.Domain(maximum: 8)
    let populated = call(.memory(.populate((0..<6).map { PPN($0) }, order: 0)), from: victim)
    victims = populated.frames
    for level in 1...4 {
      let entry = victims[level - 1].address.raw | 7
      machine.memory.write(victims[level].entryAddress(index: 0), level == 1 ? victims[0].address.raw | 3 : entry)
    }
    machine.memory.write(victims[0].entryAddress(index: 1), Self.mark)
    machine.memory.write(victims[5].entryAddress(index: 1), Self.mark)
    _ = call(.mmuExtended([.init(number: 3, first: victims[4].address.raw)], pages: .oneself), from: victim)
  }

  /// Tables in pages 1 to 4, which map pages 5 and 6 writable and the lowest table read-only.
  private mutating func buildAttacker() {
    for level in 2...4 { write(UInt64(level), 0, UInt64(level - 1), 7) }
    write(1, 0, 5, 7)
    write(1, 1, 6, 7)
    write(1, 2, 1, 5)
    _ = call(.mmuExtended([.init(number: 5, first: frames[4].address.raw)], pages: .oneself))
  }

  private mutating func write(_ page: UInt64, _ index: Int, _ target: UInt64, _ flags: UInt64) {
    machine.memory.write(frames[Int(page)].entryAddress(index: index), frames[Int(target)].address.raw | flags)
  }

  mutating func call(_ call: Hypercall, from domain: DomainID? = nil) -> HypercallResult {
    backend.xen.call(call, from: domain ?? machine.domain, &cpu, &machine)
  }

  /// Carries one step out. Returns what must not be, nil if all is well.
  mutating func carryOut(_ step: UInt64, checksAll: Bool) -> String? {
    var dice = SplitMix64(seed: step)
    if dice.oneIn(4) {
      if let problem = touch(&dice) { return problem }
    } else {
      let hypercall = randomCall(&dice, isNested: false)
      let result = call(hypercall)
      if frames.count < 60 { frames += result.frames }
    }
    if let stale = staleRight() { return stale }
    return checksAll ? backend.xen.violatedInvariant(machine) ?? victimProblem() : nil
  }

  private mutating func touch(_ dice: inout SplitMix64) -> String? {
    guard backend.xen.domains[machine.domain]?.bases[0] != nil else { return nil }
    let address = randomAddress(&dice)
    return reach(address, dice.oneIn(2) ? .store : .load)
  }

  /// An access by the tables that CR3 has, through the TLB: the frame that it reaches must be the attacker's.
  mutating func reach(_ address: VirtualAddress, _ kind: AccessKind) -> String? {
    let access = Access(kind, user: true)
    let entry = cpu.lookUpFirst(address.page.raw, access)
    if entry & access.bit != 0 { return problem(TLBData.frame(entry, of: address.page), access) }
    cpu.dropAfterFault(address)
    guard case .translated(let translation) = machine.walkGuestTables(address, access, &cpu) else { return nil }
    cpu.fill(address.page, translation, for: access, isNew: true)
    return problem(translation.frame(of: address.page), access)
  }

  private func problem(_ frame: MPN, _ access: Access) -> String? {
    if backend.xen.frames.deviceOwner(of: frame, machine) == machine.domain { return nil }
    guard backend.xen.frames.isOwned(frame, by: machine.domain, machine) else {
      // What it gave back may still be in its TLB, until somebody else gets it.
      if backend.xen.frames.owner(of: frame, machine) == nil && backend.xen.frames.heap.contains(frame) { return nil }
      return "an access reached frame \(String(frame.raw, radix: 16)), which is another's"
    }
    return access.isStore && backend.xen.frames[frame].isTable ? "a store reached a page table" : nil
  }

  func staleRight() -> String? {
    for entry in cpu.data.entries() where entry.data & TLBData.allowed != 0 {
      let frame = TLBData.frame(entry.data)
      if entry.data & TLBData.stores != 0 && backend.xen.frames[frame].isTable { return "a TLB entry to write a table" }
      if let owner = backend.xen.frames.owner(of: frame, machine), owner != machine.domain {
        return "a TLB entry for a frame of domain \(owner.raw)"
      }
    }
    return nil
  }

  private func victimProblem() -> String? {
    for frame in victims where !backend.xen.frames.isOwned(frame, by: victim, machine) {
      return "a victim's frame is gone"
    }
    for page in [0, 5] where !victims.isEmpty && machine.memory.read(victims[page].entryAddress(index: 1)) != Self.mark
    {
      return "the victim's page \(page) was written to"
    }
    return nil
  }

  /// Destroys the attacker, perhaps in the middle of a validation, and says what it left behind.
  mutating func end(_ dice: inout SplitMix64) -> String? {
    if dice.oneIn(2) {
      backend.xen.leavesInterrupted = true
      backend.xen.frames.armInterrupt(after: 1 + dice.below(600))
      for _ in 0..<4 where backend.xen.frames.interrupted == nil {
        _ = call(.mmuExtended([.init(number: dice.below(4), first: randomFrame(&dice) << 12)], pages: .oneself))
      }
      if let problem = backend.xen.violatedInvariant(machine) { return "interrupted: \(problem)" }
    }
    let owned = frames.filter { backend.xen.frames.isOwned($0, by: machine.domain, machine) }
    _ = call(.destroy)
    // Others go on.
    backend.xen.leavesInterrupted = false
    backend.xen.frames.interruptInterval = nil
    if backend.xen.frames.pages(of: machine.domain, machine) != 0 { return "the domain has frames" }
    for frame in owned {
      for index in 0..<512 where machine.memory.read(frame.entryAddress(index: index)) != 0 {
        return "frame \(String(frame.raw, radix: 16)) is not scrubbed"
      }
    }
    for frame in backend.xen.frames.known {
      let state = backend.xen.frames[frame]
      let owner = backend.xen.frames.owner(of: frame, machine)
      if owner == nil && !state.isUnused { return "frame \(String(frame.raw, radix: 16)) keeps \(state)" }
      if owner == machine.domain { return "frame \(String(frame.raw, radix: 16)) is still the domain's" }
    }
    return backend.xen.violatedInvariant(machine) ?? victimProblem()
  }
}

/// What the attacker throws.
extension Attack {
  fileprivate func randomFrame(_ dice: inout SplitMix64) -> UInt64 {
    // Its own tables and their neighbours most of the time.
    dice.oneIn(3) ? dice.pick(frames).raw : frames[dice.below(10)].raw
  }

  fileprivate func randomAddress(_ dice: inout SplitMix64) -> VirtualAddress {
    var address: UInt64 = 0
    for level in 1...4 {
      address |= UInt64(dice.below(level == 1 ? 4 : dice.oneIn(3) ? 3 : 1)) << UInt64(3 + 9 * level)
    }
    return VirtualAddress(address)
  }

  fileprivate func randomEntry(_ dice: inout SplitMix64) -> UInt64 {
    if dice.oneIn(8) { return 0 }
    var flags = dice.pick([7, 5, 3, 7, 7, 0x27, 0x67, 6] as [UInt64])
    if dice.oneIn(20) { flags |= 1 << UInt64(dice.below(12)) }
    if dice.oneIn(20) { flags |= 1 << UInt64(52 + dice.below(12)) }
    return randomFrame(&dice) << 12 | flags
  }

  fileprivate func randomDomain(_ dice: inout SplitMix64) -> DomainID {
    dice.oneIn(12) ? dice.pick([.guest, DomainID(1), DomainID(8), DomainID(9), .io, .xen]) : .oneself
  }

  fileprivate func randomCall(_ dice: inout SplitMix64, isNested: Bool) -> Hypercall {
    switch dice.below(12) {
    case 0...3:
      var updates = Hypercall.MMUUpdates(requests: [])
      for _ in 0...dice.below(4) {
        let command = dice.oneIn(4) ? UInt64(dice.below(8)) : 0
        updates.requests.append(
          (pointer: randomFrame(&dice) << 12 | UInt64(dice.below(4) * 8) | command, value: randomEntry(&dice)))
      }
      updates.pages = randomDomain(&dice)
      updates.tables = randomDomain(&dice)
      return .mmuUpdate(updates)
    case 4, 5:
      var update = Hypercall.MappingUpdate(address: randomAddress(&dice), value: randomEntry(&dice))
      update.flush = .init(extent: dice.pick([.nothing, .page, .everything]), isGlobal: dice.oneIn(2))
      update.pages = randomDomain(&dice)
      if dice.oneIn(20) { update.address = VirtualAddress(dice.next()) }
      return .updateMapping(update)
    case 6...8:
      var calls: [Hypercall.MMUExtendedCall] = []
      for _ in 0...dice.below(2) {
        let number = dice.pick([0, 0, 1, 2, 3, 4, 4, 5, 6, 7, 10, 13, 15, 16, 17, 19, 99])
        calls.append(
          .init(number: number, first: randomFrame(&dice) << 12, second: randomFrame(&dice) << 12))
      }
      return .mmuExtended(calls, pages: randomDomain(&dice))
    case 9, 10: return .memory(randomMemoryCall(&dice))
    default:
      if isNested { return dice.oneIn(2) ? .iret : .multicall([]) }
      return .multicall((0...dice.below(3)).map { _ in randomCall(&dice, isNested: true) })
    }
  }

  private func randomMemoryCall(_ dice: inout SplitMix64) -> Hypercall.MemoryCall {
    let order = dice.oneIn(8) ? dice.below(3) - 1 : 0
    let some = (0...dice.below(2)).map { _ in MPN(randomFrame(&dice)) }
    let pages = some.indices.map { _ in PPN(UInt64(dice.below(Int(Self.ownPages)))) }
    switch dice.below(6) {
    case 0: return .increase(count: dice.below(3), order: order)
    case 1, 2: return .decrease(some, order: order)
    case 3: return .populate(pages, order: order)
    case 4:
      var exchange = Hypercall.Exchange(input: some, output: pages)
      if dice.oneIn(3) { exchange.exchanged = dice.pick([1, 2, .max]) }
      if dice.oneIn(3) { exchange.outputOrder = dice.below(3) - 1 }
      return .exchange(exchange)
    default: return dice.oneIn(2) ? .currentReservation : .maximumReservation
    }
  }
}
