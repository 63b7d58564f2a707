internal import Paging

/// One machine as its host sees it.
protocol HostedMachine: AnyObject {
  /// Its number on the host.
  var number: Int? { get }
  var ramPages: Int { get }
  /// Its frames are its own (direct paging).
  var keepsFrames: Bool { get }
  var operations: UInt64 { get }
  func hostProblem(_ settings: Settings) -> String?
  func join(_ host: Host) throws(ReplayError)
  /// Takes over what all machines share, or gives it back.
  func exchange(_ host: Host)
  /// Somebody else has used its processors.
  func flushProcessors()

  /// Its guest has a balloon driver.
  var hasBalloon: Bool { get }

  // While it has what all share:
  var frames: HostMemory { get }
  /// What to say if somebody needed a frame that was not there; nil: nobody did.
  func lack(_ host: Host) -> ReplayError?
  /// The balloon driver is to leave the guest so many pages.
  func setBalloonTarget(_ pages: Int) throws(ReplayError)
  /// A page's frame goes: the page joins others that are known to hold the same, or what it holds goes to the swap area.
  func loseFrame(of page: PPN, _ known: KnownContents)
  /// It is not a victim: it came lately, or a device is at it.
  func keeps(_ page: PPN) -> Bool
  /// What a page holds, nil if it may not be shared.
  func sharableContents(_ page: PPN) -> UInt64?
  /// Lets others have the frame of a page; returns it.
  func offer(_ page: PPN) -> MPN?
  func merge(_ page: PPN, into frame: MPN)
  /// Whether a frame is shared, and holds these contents.
  func holds(_ frame: MPN, _ contents: UInt64) -> Bool
  /// Used pages of the running sample.
  var touchedPages: Int { get }
  /// Takes the mappings of so many pages out, to see which are used. Returns of how many.
  func takeSample(_ size: Int, _ random: inout HostRandom) -> Int
  /// A turn of its own has passed without it.
  func noteWait()
  /// Pages in the swap area.
  var swappedPages: Int { get }
  /// Names what is wrong with its own books.
  func violatedHostInvariant() -> String?
}

extension ProcessorBox where MMU: ~Copyable {
  var number: Int? { processor.machine.hosted?.number }
  var ramPages: Int { Int(processor.machine.ramPages) }
  var operations: UInt64 { processor.machine.counters.operations }

  func hostProblem(_ settings: Settings) -> String? {
    if settings.logsDirtyPages { return "has a dirty log, which a host does not keep" }
    if settings.traces.copyOnWrite != nil { return "has trace.cow, which is the host's own affair" }
    return MMU.hostProblem(settings)
  }

  var keepsFrames: Bool { !processor.machine.isHosted }

  func join(_ host: Host) throws(ReplayError) {
    processor.host = host
    guard keepsFrames else { return }
    exchange(host)
    defer { exchange(host) }
    processor.build()
    if let lack = lack(host) { throw lack }
  }

  func lack(_ host: Host) -> ReplayError? {
    processor.machine.host.lacking > 0 ? host.overcommitted(processor.machine) : nil
  }

  func exchange(_ host: Host) {
    host.exchange(&processor.machine)
    processor.cpus.running.forgetRecent()
  }

  func flushProcessors() { processor.cpus.forEach { $0.forgetAll() } }

  func loseFrame(of page: PPN, _ known: KnownContents) {
    processor.unmap([page])
    processor.machine.loseFrame(of: page, known)
  }

  var frames: HostMemory { processor.machine.host }

  /// The modelled kernel has; a recorded one if it is known what it will not use.
  var hasBalloon: Bool { processor.kernel != nil || processor.machine.hosted?.recordedBalloon != nil }

  func setBalloonTarget(_ pages: Int) throws(ReplayError) { try processor.setBalloonTarget(pages) }

  func keeps(_ page: PPN) -> Bool { processor.machine.keeps(page) }

  func noteWait() { processor.machine.counters.hostWaits += 1 }

  var swappedPages: Int { processor.machine.hosted?.swapped ?? 0 }

  func sharableContents(_ page: PPN) -> UInt64? {
    processor.machine.isMerged(page) ? nil : processor.machine.sharableContents(page)
  }

  func offer(_ page: PPN) -> MPN? {
    processor.unmap([page])
    return processor.machine.offer(page)
  }

  func merge(_ page: PPN, into frame: MPN) {
    processor.unmap([page])
    processor.machine.merge(page, into: frame)
  }

  func holds(_ frame: MPN, _ contents: UInt64) -> Bool { processor.machine.holds(frame, contents) }

  var touchedPages: Int { processor.machine.hosted?.touched ?? 0 }

  func takeSample(_ size: Int, _ random: inout HostRandom) -> Int {
    guard let number else { return 0 }
    let list = processor.machine.host.resident[number]
    var pages: Set<PPN> = []
    for _ in 0..<min(size, list.count) {
      pages.insert(processor.machine.host.frames[Int(list[random.below(list.count)].raw)].page)
    }
    processor.unmap(pages.sorted { $0.raw < $1.raw })
    processor.machine.counters.hostSampled += UInt64(pages.count)
    processor.machine.hosted?.sampled = pages
    processor.machine.hosted?.touched = 0
    return pages.count
  }

  func violatedHostInvariant() -> String? {
    guard let number else { return nil }
    if keepsFrames { return processor.backend.violatedHostInvariant(processor.machine) }
    for (frame, sharers) in processor.machine.host.sharers {
      for sharer in sharers where sharer.machine == number {
        if processor.machine.hosted?[sharer.page] != .frame(frame) {
          return "frame \(frame.raw) is shared with page \(sharer.page.raw), which has another place"
        }
        if processor.machine.traces.moments(of: .copyOnWrite, sharer.page).isEmpty {
          return "page \(sharer.page.raw) has a shared frame and may store to it"
        }
      }
    }
    if let problem = processor.machine.violatedDevices() { return problem }
    for frame in processor.machine.host.resident[number] {
      let page = processor.machine.host.frames[Int(frame.raw)].page
      if processor.machine.hosted?[page] != .frame(frame) {
        return "frame \(frame.raw) is behind page \(page.raw), which has another place"
      }
    }
    return nil
  }
}

extension VirtualCPU {
  /// Another machine has used the processor, and left nothing of this one's in its caches.
  fileprivate mutating func forgetAll() {
    dropLog?.note(nil)
    fetches.removeAll()
    data.removeAll()
    second.removeAll()
    removeStructures { _ in true }
    nested.removeAll()
  }
}

extension Processor where MMU: ~Copyable {
  /// No table and no TLB leads to these pages any more.
  fileprivate mutating func unmap(_ pages: [PPN]) { backend.unmap(pages, &cpus.running, &machine) }

  fileprivate mutating func build() { backend.build(&machine) }

  /// Looks at the guest's memory without changing where it is.
  mutating func looking<Result>(_ body: (inout Self) -> Result) -> Result {
    machine.hosted?.isLooking = true
    defer { machine.hosted?.isLooking = false }
    return body(&self)
  }

  /// On a host: sees to it that what an exit may need is free. Nobody may hold a machine page meanwhile.
  @inline(__always) mutating func reserveFrames() throws(ReplayError) {
    guard machine.isOnHost else { return }
    try reserveHostFrames()
  }

  @inline(never) private mutating func reserveHostFrames() throws(ReplayError) {
    guard let host else { return }
    let needed = host.reserve + backend.furtherFrames
    guard machine.host.free < max(needed, host.threshold(.hard)) else { return }
    try host.makeRoom(needed, &backend, &cpus.running, &machine)
  }
}
