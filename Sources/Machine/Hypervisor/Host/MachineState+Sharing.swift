internal import Paging

/// Pages that hold the same have one frame, which the first store to any of them copies (Waldspurger, OSDI 2002, 4).
extension MachineState {
  /// What stands for the contents of a page that may be shared; nil if it may not: tables change with every use, and what
  /// somebody else watches is not to be read-only for two reasons.
  func sharableContents(_ page: PPN) -> UInt64? {
    guard case .frame(let frame)? = hosted?[page], tableLevels[page] == nil, !isPinned(page)
    else { return nil }
    let watchers = traces.watchers(of: page, .all)
    guard watchers.isEmpty || watchers == [.copyOnWrite] else { return nil }
    if memory.isTouched(frame) {
      for index in 0..<512 where memory.read(frame.entryAddress(index: index)) != 0 { return nil }
    }
    return contents?.identity(of: frame, image: hosted?.image ?? 0)
  }

  /// Whether a frame is shared, and holds these contents: what is known may be out of date.
  func holds(_ frame: MPN, _ contents: UInt64) -> Bool {
    host.isShared(frame) && self.contents?.identity(of: frame, image: hosted?.image ?? 0) == contents
  }

  /// The frame of a page may be behind others from now on; no mapping of it may be left. Returns it.
  mutating func offer(_ page: PPN) -> MPN? {
    guard case .frame(let frame)? = hosted?[page] else { return nil }
    withdrawFromDevices(page)
    traces.watch(page, .beforeWrite, for: .copyOnWrite)
    host.share(frame)
    noteHosted()
    return frame
  }

  /// A page, of which no mapping may be left, gets a shared frame that holds the same.
  mutating func merge(_ page: PPN, into frame: MPN) {
    guard let number = hosted?.number, case .frame(let own)? = hosted?[page] else { return }
    withdrawFromDevices(page)
    traces.watch(page, .beforeWrite, for: .copyOnWrite)
    host.free(own)
    host.add(.init(machine: number, page: page), to: frame)
    hosted?[page] = .frame(frame)
    counters.hostMerges += 1
    noteHosted()
  }

  /// Whether a page has a frame with others.
  func isMerged(_ page: PPN) -> Bool {
    if case .frame(let frame)? = hosted?[page] { return host.isShared(frame) }
    return false
  }

  /// Gives a page, of which no mapping may be left, a frame of its own with what the shared one holds.
  mutating func breakSharing(_ page: PPN) {
    traces.unwatch(page, for: .copyOnWrite)
    withdrawFromDevices(page)
    guard let number = hosted?.number, case .frame(let old)? = hosted?[page] else { return }
    let new = host.allocate(page, of: number)
    memory.clear(new)
    let held = contents?[old] ?? 0
    contents?[new] = held
    host.remove(.init(machine: number, page: page), from: old)
    hosted?[page] = .frame(new)
    counters.hostShareBreaks += 1
    noteHosted()
  }

  /// A page has no frame any more: neither of its own nor with others.
  mutating func giveUpFrame(of page: PPN) {
    guard let number = hosted?.number, case .frame(let frame)? = hosted?[page] else { return }
    withdrawFromDevices(page)
    if host.isShared(frame) {
      traces.unwatch(page, for: .copyOnWrite)
      host.remove(.init(machine: number, page: page), from: frame)
    } else {
      host.free(frame)
    }
  }
}

extension Processor where MMU: ~Copyable {
  /// The hypervisor or a disk is about to change a page through no mapping.
  mutating func breakSharing(_ page: PPN) {
    guard machine.isHosted, machine.isMerged(page) else { return }
    backend.unmap([page], &cpus.running, &machine)
    machine.breakSharing(page)
  }

  /// An access has reached a frame: what a store leaves there is like nothing else.
  mutating func noteContents(_ frame: MPN, _ access: Access) {
    guard access.isStore, contents == nil || !access.isUser else { return }
    let next = machine.contents?.next() ?? 0
    machine.contents?[frame] = next
  }

  /// `content`: what a page holds now, by a number that stands for it; the store was not in the trace.
  mutating func setContents(_ address: PhysicalAddress, _ tag: UInt64) throws(ReplayError) {
    if machine.lastUses != nil && !machine.isDevice(address.page) {
      machine.lastUses?.note(address.page, at: machine.operation)
      return
    }
    guard machine.sharesPages else { throw error("'content' is not carried out but on a host that shares pages") }
    guard !machine.isDevice(address.page) else { throw error("'content' of device memory") }
    let page = address.page
    if machine.traces.seesStores(to: page) {
      backend.sawStore(to: page.address, &cpus.running, &machine)
      backend.storedUnknown(page.address, &cpus.running, &machine)
    }
    let frame = machine.frame(of: page)
    machine.contents?[frame] = tag == 0 ? 0 : FrameContents.tagged(tag)
  }
}

extension FrameContents {
  /// Contents that a trace names by a number.
  static func tagged(_ tag: UInt64) -> UInt64 { 1 << 62 | tag & (1 << 62 - 1) }

  /// What stands for the contents of a frame on a whole host: files are those of an image.
  func identity(of frame: MPN, image: UInt64) -> UInt64 {
    let version = self[frame]
    return version >> 63 == 1 ? version ^ image : version
  }
}
