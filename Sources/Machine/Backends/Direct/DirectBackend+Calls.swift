internal import Paging

/// Hypercalls that the trace itself makes, beside those of the port.
extension DirectBackend {
  static var takesHypercalls: Bool { true }

  /// Frames that a domain beside the trace's guest may have.
  private static var otherDomainsFrames: UInt64 { 4096 }

  mutating func hypercall(
    _ text: String, vm: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(ReplayError) -> [TableStore] {
    if vm == 0 { changed(.systemCall, &cpu, &machine) }
    registerAnnounced(&cpu, &machine)
    settle(&cpu, &machine)
    attachAll(&cpu, &machine)
    let domain = vm == 0 ? machine.domain : DomainID(UInt16(truncatingIfNeeded: vm))
    if xen.domains[domain] == nil && domain != machine.domain {
      guard !xen.isZombie(domain) else {
        throw ReplayError(
          operation: machine.operation, message: "vm \(vm), which is destroyed and still has grants in use")
      }
      xen.domains[domain] = Xen.Domain(maximum: Self.otherDomainsFrames)
      xen.frames.dead.remove(domain)
    }
    if vm != 0, let other = xen.domains[domain], other.maximum == nil {
      throw ReplayError(operation: machine.operation, message: "vm \(vm), a domain with a trace of its own")
    }
    let (call, expected) = try parse(text, domain, &machine)
    let root = cpu.root
    xen.frames.notesTables = true
    let result = xen.call(call, from: domain, &cpu, &machine)
    takeFrames(result.frames, for: call, domain, &machine)
    let stores = follow(&cpu, &machine)
    xen.frames.notesTables = false
    if cpu.root != root, let page = machine.physmap.physical(cpu.root) {
      cpu.registers.cr3 = page.address.raw | UInt64(cpu.registers.pcid)
    }
    countUpdates(xen.updates.tried, refused: xen.updates.refused, &machine)
    xen.updates = (0, 0)
    book(text, result, domain, isCounted: !call.isStore, &machine, cpu.index)
    if let expected, expected != result.text {
      machine.diverge(expected: "\(text) to return \(expected)", found: result.text)
    }
    return stores
  }

  private func parse(
    _ text: String, _ domain: DomainID, _ machine: inout MachineState
  ) throws(ReplayError) -> (Hypercall, String?) {
    var frames: [HypercallParser.Page: MPN] = [:]
    for page in HypercallParser.pages(in: text, domain: domain) where page.page.raw < 1 << 40 {
      frames[page] =
        page.domain == machine.domain ? machine.physmap.machine(page.page) : xen.domains[page.domain]?.pages[page.page]
    }
    do throws(HypercallParser.Problem) {
      return try HypercallParser(domain: domain, frames: frames).parse(text)
    } catch {
      throw ReplayError(operation: machine.operation, message: "hypercall \(text): expected \(error.expected)")
    }
  }

  /// The caller keeps its P2M: what it was given is behind the pages that it named, if they had no frame.
  mutating func takeFrames(
    _ frames: [MPN], for call: Hypercall, _ domain: DomainID, _ machine: inout MachineState
  ) {
    let pages: [PPN]
    switch call {
    case .memory(.populate(let named, let order)): pages = Self.extents(named, order)
    case .memory(.exchange(let exchange)): pages = Self.extents(exchange.output, exchange.outputOrder)
    case .grant(.setUp(_, let named)), .grant(.statusFrames(_, let named)): pages = named
    default: return
    }
    for (page, frame) in zip(pages, frames) {
      if domain != machine.domain {
        xen.domains[domain]?.pages[page] = frame
      } else if machine.physmap.machine(page) == Physmap.noFrame {
        machine.physmap.put(frame, behind: page)
      }
    }
  }

  private static func extents(_ first: [PPN], _ order: Int) -> [PPN] {
    first.flatMap { page in (0..<UInt64(1) << UInt64(min(order, Xen.maximumOrder))).map { page.advanced(by: $0) } }
  }

  /// Brings the port's books up to what the guest did without it. Returns the changed words in the guest's own terms.
  private mutating func follow(_ cpu: inout VirtualCPU, _ machine: inout MachineState) -> [TableStore] {
    var places: [MachineAddress] = []
    for change in xen.changed {
      places.append(change.place)
      port.setWanted(nil, at: change.place)
      guard let page = machine.physmap.physical(change.place.page), let level = port.levels[page] else { continue }
      forget(PageTableEntry(change.old), level: level, at: change.place, &machine)
      note(PageTableEntry(change.new), level: level, at: change.place, machine)
      let now = UpdateQueue.Request(place: change.place, value: machine.memory.read(change.place))
      if level == 4, let mirror = mirrored(now, page) { enqueue(mirror, &cpu, &machine) }
    }
    xen.changed = []
    for frame in xen.frames.takeNewTables() {
      guard let page = machine.physmap.physical(frame), !port.isRegistered(page),
        let level = xen.frames[frame].kind.level
      else { continue }
      // A table that the guest has made by itself, in machine terms.
      port.setLevel(level, of: page)
      machine.noteTable(page, level: level)
      for index in 0..<512 {
        let place = frame.entryAddress(index: index)
        note(PageTableEntry(machine.memory.read(place)), level: level, at: place, machine)
        places.append(place)
      }
    }
    for page in xen.frames.takeFreedPages() {
      port.setLevel(nil, of: page)
      machine.forgetTable(page)
    }
    return places.compactMap { place in
      guard let address = machine.physicalAddress(place) else { return nil }
      return TableStore(address: address, value: guestEntry(at: address, &machine))
    }
  }

  /// Keeps what an entry maps that the guest has stored without the port.
  mutating func note(
    _ entry: PageTableEntry<MachineSpace>, level: Int, at place: MachineAddress, _ machine: borrowing MachineState
  ) {
    guard level == 1, entry.isPresent, let page = machine.physmap.physical(entry.frame) else { return }
    port.reverseMap.insert(place, of: page)
  }

  private mutating func book(
    _ text: String, _ result: HypercallResult, _ domain: DomainID, isCounted: Bool, _ machine: inout MachineState,
    _ cpu: Int
  ) {
    if isCounted {
      machine.counters.hypercalls += 1
      machine.counters.hypercallContinuations += xen.takeContinuations()
      machine.counters.exitHypercall += 1
      machine.counters.cycles.hypercall += machine.description.costs.hypercall
    }
    var event = Event(operation: machine.operation, cpu: cpu, kind: .hypercall, cause: text)
    event.vm = Int(domain.raw)
    event.value = result.frames.first?.address.raw
    event.result = result.text
    machine.log.append(event)
  }
}
