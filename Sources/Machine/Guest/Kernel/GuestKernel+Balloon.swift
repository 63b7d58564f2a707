internal import Paging

/// What the balloon driver knows (Linux, drivers/xen/balloon.c).
struct Balloon {
  /// Pages that the domain is asked to have, nil as long as nobody has asked.
  var target: UInt64?
  /// Pages without a frame, the latest last, which comes back first.
  var pages: [PPN] = []
  /// Seconds until the next try after one that got nothing: doubled each time.
  var delay: UInt64 = 1
  /// Operation at which that is, nil if there is nothing to try.
  var retry: UInt64?
  /// Targets of `balloon.schedule` that are past.
  var passed = 0

  /// Frame numbers in one hypercall: what fits in a page.
  static var batch: Int { 512 }
  /// Longest delay, in seconds.
  static var longestDelay: UInt64 { 32 }
}

extension GuestKernel {
  /// The driver gets a new target, in pages, and goes to work.
  mutating func setTarget(_ pages: UInt64, _ port: inout some KernelPort & ~Copyable) throws(ReplayError) {
    balloon.target = pages
    balloon.delay = 1
    try workOnBalloon(&port)
  }

  /// Whatever the driver has to do by now: a target of the schedule that is due, another try.
  mutating func runBalloon(_ port: inout some KernelPort & ~Copyable) throws(ReplayError) {
    let schedule = settings.balloonSchedule.targets
    while balloon.passed < schedule.count, schedule[balloon.passed].operation <= port.now {
      balloon.passed += 1
      try setTarget(schedule[balloon.passed - 1].pages, &port)
    }
    if let retry = balloon.retry, retry <= port.now { try workOnBalloon(&port) }
  }

  /// Pages that the domain has.
  var populated: UInt64 { frames.limit - UInt64(balloon.pages.count) }

  /// Works until the target is reached, or nothing can be had: then it tries again later, and later still.
  private mutating func workOnBalloon(_ port: inout some KernelPort & ~Copyable) throws(ReplayError) {
    balloon.retry = nil
    guard let target = balloon.target else { return }
    while true {
      // The domain cannot grow past what it has been built with.
      let wanted = min(target, frames.limit)
      if wanted == populated { return }
      let isDone = try wanted > populated ? deflate(wanted - populated, &port) : inflate(populated - wanted, &port)
      if isDone {
        balloon.delay = 1
        continue
      }
      port.count(\.balloonRetries)
      balloon.retry = port.now + balloon.delay * settings.balloonSecond
      balloon.delay = min(2 * balloon.delay, Balloon.longestDelay)
      return
    }
  }

  /// Pages get frames again, as many as there are. Returns whether there were any.
  private mutating func deflate(
    _ count: UInt64, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> Bool {
    let pages = Array(balloon.pages.suffix(min(Int(count), Balloon.batch)).reversed())
    let got = try port.populate(pages)
    for page in pages.prefix(got) {
      balloon.pages.removeLast()
      // No flush: what was not present cannot be cached.
      if port.givesFrames { try mapDirectly(page, isMapped: true, &port) }
      release(page)
    }
    port.count(\.balloonTaken, UInt64(got))
    return got > 0
  }

  /// Nothing can be reclaimed any more: a balloon that the host only asks for shrinks (virtio-balloon,
  /// `VIRTIO_BALLOON_F_DEFLATE_ON_OOM`). Returns whether there was anything in it.
  mutating func deflateInNeed(_ port: inout some KernelPort & ~Copyable) throws(ReplayError) -> Bool {
    guard !port.givesFrames, !balloon.pages.isEmpty else { return false }
    return try deflate(min(UInt64(settings.reclaimBatch), UInt64(balloon.pages.count)), &port)
  }

  /// Pages give their frames up: allocated, scrubbed, unmapped, flushed, and only then given back. A hypervisor that looks
  /// after frames itself need only know the pages. Returns whether all that were asked for could be had.
  private mutating func inflate(
    _ count: UInt64, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) -> Bool {
    var pages: [PPN] = []
    let wanted = min(Int(count), Balloon.batch)
    while pages.count < wanted, let page = try pageForBalloon(&port) {
      if port.givesFrames { try port.scrub(page) }
      pages.append(page)
    }
    guard !pages.isEmpty else { return false }
    if port.givesFrames {
      for page in pages { try mapDirectly(page, isMapped: false, &port) }
      try port.flushTLBs()
    }
    balloon.pages += pages
    let given = try port.giveBack(pages)
    precondition(given == pages.count, "the hypervisor took \(given) of \(pages.count) pages")
    port.count(\.balloonGiven, UInt64(given))
    return pages.count == wanted
  }

  /// A page that nothing else needs, or that one look for a page to reclaim finds (`GFP_BALLOON`); the last ones are not
  /// the driver's to take.
  private mutating func pageForBalloon(_ port: inout some KernelPort & ~Copyable) throws(ReplayError) -> PPN? {
    let reserve = UInt64(settings.reclaimBatch)
    if frames.free <= reserve {
      guard frames.free > 0, try reclaim(&port), frames.free > reserve else { return nil }
    }
    return try allocate(.ballooned, &port)
  }

  /// Maps a page in the kernel's map of all memory, or takes it out.
  private mutating func mapDirectly(
    _ page: PPN, isMapped: Bool, _ port: inout some KernelPort & ~Copyable
  ) throws(ReplayError) {
    guard let size = settings.directMap else { return }
    guard size == .small else { throw port.error("a balloon with guest.direct-map larger than 4K") }
    let address = VirtualAddress(Self.directMapBase + page.address.raw)
    var table = kernelRoot
    for level in [4, 3, 2] {
      table = KernelEntry(try port.entry(at: table.entryAddress(address, level: level))).paging.frame
    }
    let flags: EntryFlags = [.present, .writable, .accessed, .dirty, .global, .noExecute]
    let entry = isMapped ? PageTableEntry<PhysicalSpace>(frame: page, flags).raw : 0
    try port.store(entry, at: table.entryAddress(address, level: 1))
  }
}
