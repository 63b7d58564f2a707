internal import Paging

/// The machine as the modelled kernel sees it.
extension Processor: KernelPort where MMU: ~Copyable {
  mutating func entry(at place: PhysicalAddress) throws(ReplayError) -> UInt64 {
    try reserveFrames()
    try touch(place, .load)
    return backend.guestEntry(at: place, &machine)
  }

  mutating func store(_ entry: UInt64, at place: PhysicalAddress) throws(ReplayError) {
    try reserveFrames()
    let address = hasDirectMap ? place.inDirectMap : nil
    let flags: Operation.Flags = address == nil ? [] : .hasPayload
    try storeTable(Operation(.tableStore, place.raw, size: 8, flags: flags), value: entry, at: address)
    try settlePending()
  }

  mutating func enter(_ page: PPN, level: Int, _ words: [UInt64]) throws(ReplayError) {
    try reserveFrames()
    if hasDirectMap { for index in 0..<512 { try touch(page.entryAddress(index: index), .store) } }
    try announce(page, level: level, words)
  }

  mutating func retire(_ page: PPN, level: Int) throws(ReplayError) { tableGone(page, level: level) }

  mutating func abandon(_ tables: [TablePage]) throws(ReplayError) -> Bool {
    guard MMU.storesByHypercall else { return false }
    for table in tables { tableGone(table.page, level: table.level) }
    return true
  }

  mutating func loadRoot(_ value: UInt64) throws(ReplayError) {
    try reserveFrames()
    try loadCR3(value)
    try settlePending()
  }

  mutating func invalidate(_ address: VirtualAddress) throws(ReplayError) { invlpg(address) }

  // MARK: Contents

  mutating func clear(_ page: PPN) throws(ReplayError) {
    try reserveFrames()
    try fill(page)
    setContents(of: page, 0)
  }

  mutating func copy(_ source: PPN, to destination: PPN) throws(ReplayError) {
    try reserveFrames()
    if hasDirectMap { for index in 0..<512 { try touch(source.entryAddress(index: index), .load) } }
    try fill(destination)
    setContents(of: destination, contents(of: source))
  }

  /// Stores to all of a page.
  private mutating func fill(_ page: PPN) throws(ReplayError) {
    if hasDirectMap {
      for index in 0..<512 { try touch(page.entryAddress(index: index), .store) }
    } else if machine.traces.seesStores(to: page) {
      // A hypervisor that still takes the page for a table.
      backend.sawStore(to: page.address, &cpus.running, &machine)
      backend.storedUnknown(page.address, &cpus.running, &machine)
    }
    if !hasDirectMap {
      machine.markStored(page)
      machine.observer?.used(page)
    }
  }

  mutating func contents(of page: PPN) -> UInt64 {
    let frame = machine.frame(of: page)
    return machine.contents?[frame] ?? 0
  }

  mutating func setContents(of page: PPN, _ version: UInt64) {
    breakSharing(page)
    let frame = machine.frame(of: page)
    machine.contents?[frame] = version
  }

  mutating func scrub(_ page: PPN) throws(ReplayError) {
    try clear(page)
    // A former table's words are all that the machine's memory holds.
    machine.memory.clear(machine.frame(of: page))
  }

  mutating func flushTLBs() throws(ReplayError) {
    oracle?.invalidated(.allContexts, cpus.running.index)
    backend.flushTLBs(&cpus.running, &machine)
  }

  var givesFrames: Bool { MMU.takesHypercalls }

  mutating func writesOut(_ page: PPN) { machine.noteDoublePaging(page) }

  mutating func giveBack(_ pages: [PPN]) throws(ReplayError) -> Int {
    machine.isHosted ? giveToHost(pages) : backend.giveBack(pages, &cpus.running, &machine)
  }

  mutating func populate(_ pages: [PPN]) throws(ReplayError) -> Int {
    machine.isHosted ? takeFromHost(pages) : backend.populate(pages, &cpus.running, &machine)
  }

  var now: UInt64 { machine.operation }

  mutating func count(_ counter: WritableKeyPath<Counters, UInt64>, _ number: UInt64) {
    machine.counters[keyPath: counter] += number
  }

  // MARK: The kernel's own accesses

  private var hasDirectMap: Bool { hasStarted && machine.settings.guest.directMap != nil }

  /// An access of the kernel's to 8 bytes of physical memory, if it has that mapped.
  private mutating func touch(_ place: PhysicalAddress, _ kind: AccessKind) throws(ReplayError) {
    guard hasDirectMap else { return }
    if kind == .store { machine.counters.stores += 1 } else { machine.counters.loads += 1 }
    let address = place.inDirectMap
    let outcome = try translate(address, Access(kind, user: false))
    switch outcome {
    case .translated(let frame) where frame == machine.frame(of: place.page): break
    case .emulated(let page) where page == place.page:
      if kind == .store && machine.traces.seesStores(to: page) {
        backend.storedUnknown(place, &cpus.running, &machine)
      }
    default:
      machine.diverge(
        expected: "the kernel's access at \(address.hexadecimal) to reach physical \(place.hexadecimal)",
        found: outcome.description)
    }
  }
}

extension PhysicalAddress {
  /// Where the modelled kernel has the address mapped.
  fileprivate var inDirectMap: VirtualAddress { VirtualAddress(GuestKernel.directMapBase + raw) }
}

extension Processor where MMU: ~Copyable {
  /// Lets the kernel work on this machine. While it does, nobody else may turn to it.
  mutating func withKernel<Result>(
    _ body: (inout GuestKernel, inout Self) throws(ReplayError) -> Result
  ) throws(ReplayError) -> Result {
    guard var kernel = kernel.take() else { preconditionFailure("the modelled kernel is at work already") }
    do throws(ReplayError) {
      let result = try body(&kernel, &self)
      self.kernel = kernel
      return result
    } catch {
      self.kernel = kernel
      throw error
    }
  }

  /// Sets the kernel up, and the registers as it leaves them for the first process.
  mutating func bootKernel() throws(ReplayError) {
    var settings = machine.settings.guest
    let description = machine.description
    // Every kernel of such a machine tags address spaces.
    if description.softwareTLB != nil { settings.hasPCID = true }
    if settings.hasPCID && !description.hasPCID {
      throw error("guest.pcid=on on the machine \(description.name), which has no PCIDs")
    }
    if settings.directMap == .huge && !description.hasHugePages {
      throw error("guest.direct-map=1G on the machine \(description.name), which has no pages of 1 GiB")
    }
    var cr4 = CR4.pae
    if settings.directMap != nil { cr4 |= CR4.globalPages }
    if settings.hasPCID { cr4 |= CR4.pcid }
    try loadControls(Operation(.loadCR4, cr4))
    let pcids: UInt64 = 1 << UInt64(description.softwareTLB?.contextBits ?? 12)
    kernel = GuestKernel(settings, frames: machine.ramPages, pcids: pcids)
    if oracle != nil {
      // Other domains' frames have contents too.
      if machine.contents == nil { machine.contents = FrameContents() }
      contents = ProcessContents()
    }
    let root = try withKernel { (kernel, port) throws(ReplayError) in try kernel.boot(&port) }
    try loadCR3(root)
  }

  /// Gives the kernel a page fault. Returns whether the access may be tried again.
  mutating func isRepaired(_ fault: PageFault) throws(ReplayError) -> Bool {
    // The kernel's own accesses must not fault, and nobody mends it if they do.
    guard kernel != nil else { return false }
    let isRepaired = try withKernel { (kernel, port) throws(ReplayError) in
      if MMU.takesHypercalls { try kernel.runBalloon(&port) }
      return try kernel.handle(fault, &port)
    }
    if isRepaired { return true }
    machine.counters.guestSignals += 1
    var event = Event(operation: machine.operation, cpu: cpus.running.index, kind: .signal, cause: "SIGSEGV")
    event.virtual = fault.address
    machine.log.append(event)
    return false
  }

  /// A process operation of the trace.
  mutating func carryOutProcess(_ operation: Operation, _ batch: OperationBatch) throws(ReplayError) {
    if !cpus.running.hasStarted { try start() }
    change(.systemCall)
    let words = batch.payload(of: operation)
    let word = words.first ?? 0
    let address = operation.address
    try withKernel { (kernel, port) throws(ReplayError) in
      if MMU.takesHypercalls { try kernel.runBalloon(&port) }
      switch operation.kind {
      case .switchProcess: try kernel.run(address, &port)
      case .balloon: if MMU.takesHypercalls { try kernel.setTarget(address, &port) }
      case .fork: try kernel.fork(address, word, &port)
      case .exec: try kernel.exec(address, &port)
      case .exit: try kernel.exit(address, &port)
      case .map: try kernel.map(address, Array(words), operation.size, &port)
      case .unmap: try kernel.unmap(address, word, &port)
      case .protect: try kernel.protect(address, word, operation.size, &port)
      case .remap: try kernel.remap(address, Array(words), &port)
      default: try kernel.discard(address, word, &port)
      }
    }
    contents?.carryOut(operation, Array(words))
  }

  /// With checks: an access has reached a frame, which must hold what the process put there last.
  mutating func checkContents(_ frame: MPN, _ address: VirtualAddress, _ access: Access) {
    guard contents != nil, access.isUser, let version = machine.contents?[frame] else { return }
    let page = address.page.raw
    // A store too: what it leaves alone of the page must be right.
    if let expected = contents?.expected(page), expected != version {
      machine.diverge(
        expected: "\(access.description) at \(address.hexadecimal) to find version \(expected)",
        found: "version \(version) in machine page \(String(frame.raw, radix: 16))")
    }
    guard access.isStore else { return }
    let next = machine.contents?.next() ?? 0
    machine.contents?[frame] = next
    contents?.store(next, to: page)
  }
}
