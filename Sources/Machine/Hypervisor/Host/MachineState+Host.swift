internal import Paging

/// Machine memory behind the guest's pages: all of it from the start, or on a host as much as there is.
extension MachineState {
  /// The machine page behind a physical page. On a host it is found now if there is none yet.
  @inline(__always) mutating func frame(of page: PPN) -> MPN {
    isHosted ? hostedFrame(of: page) : physmap.machine(page)
  }

  /// The machine address behind a physical address.
  mutating func place(of address: PhysicalAddress) -> MachineAddress {
    MachineAddress(frame(of: address.page).address.raw | address.offset)
  }

  /// The machine page for an entry that maps a physical page: whoever samples which pages are used hears of it.
  @inline(__always) mutating func frameToMap(_ page: PPN) -> MPN {
    if isHosted { noteTouch(page) }
    return frame(of: page)
  }

  /// The physical pages that a machine page backs: one, but for frames that a host shares; none for all others.
  func pages(of frame: MPN) -> [PPN] {
    guard isHosted, let number = hosted?.number else { return physmap.physical(frame).map { [$0] } ?? [] }
    return host.pages(frame, of: number)
  }

  /// Whether a frame backs a page.
  func backs(_ frame: MPN, _ page: PPN) -> Bool {
    isHosted ? hosted?[page] == .frame(frame) : physmap.physical(frame) == page
  }

  /// Whether one machine page of a size is behind the physical one that begins with a page. A host gives memory by 4 KiB.
  mutating func isWhole(_ first: PPN, _ size: PageSize) -> Bool {
    isHosted ? size == .small : physmap.isWhole(first, size)
  }

  /// Whether a page has a machine frame, whatever it held.
  func isBacked(_ page: PPN) -> Bool {
    guard isHosted, !isDevice(page) else { return true }
    if case .frame? = hosted?[page] { return true }
    return false
  }

  /// Whether a mapping of a page may be made that nobody has asked for.
  func mayMapAhead(_ page: PPN) -> Bool {
    guard isHosted else { return true }
    return isBacked(page) && hosted?.sampled.contains(page) == false
  }

  /// A frame for the hypervisor's own.
  mutating func allocateOwnFrame() -> MPN {
    guard let number = hosted?.number else { return physmap.allocateFrame() }
    return host.allocateOverhead(for: number)
  }

  mutating func freeOwnFrame(_ frame: MPN) {
    if isOnHost { host.free(frame) } else { physmap.free(frame) }
  }

  @inline(never) private mutating func hostedFrame(of page: PPN) -> MPN {
    guard let number = hosted?.number, let place = hosted?[page], !isDevice(page) else { return Physmap.noFrame }
    if case .frame(let frame) = place { return frame }
    if hosted?.isLooking == true {
      if case .slot(let slot) = place { return slot }
      return Physmap.noFrame
    }
    if hosted?.note(page) == true { _ = host.allocateOverhead(for: number) }
    let frame = host.allocate(page, of: number)
    if case .slot(let slot) = place {
      move(slot, to: frame)
      host.freeSlot(slot)
      counters.hostSwapIns += 1
      let cycles = hosted?.diskCycles ?? 0
      counters.hostDiskCycles += cycles
      counters.cycles.host += cycles
    } else {
      // What another machine left there is not this one's to see.
      memory.clear(frame)
      // Nobody knows what a recorded kernel had there.
      let held = guest == .recorded ? contents?.next() ?? 0 : 0
      contents?[frame] = held
      if place == .ballooned { counters.hostBalloonPops += 1 } else { counters.hostFills += 1 }
    }
    hosted?[page] = .frame(frame)
    noteHosted()
    return frame
  }

  private mutating func noteTouch(_ page: PPN) {
    guard hosted?.sampled.remove(page) != nil else { return }
    hosted?.touched += 1
    counters.hostSampleFaults += 1
  }

  /// What a page of machine memory, or of the swap area, holds goes to another.
  mutating func move(_ source: MPN, to destination: MPN) {
    memory.clear(destination)
    if memory.isTouched(source) {
      for index in 0..<512 {
        memory.write(destination.entryAddress(index: index), memory.read(source.entryAddress(index: index)))
      }
      memory.clear(source)
    }
    let held = contents?[source] ?? 0
    contents?[destination] = held
  }

  /// A page, of which no mapping may be left, goes to the swap area.
  mutating func swapOut(_ page: PPN) {
    guard case .frame(let frame)? = hosted?[page] else { preconditionFailure("page \(page.raw) has no frame") }
    withdrawFromDevices(page)
    let slot = host.takeSlot()
    move(frame, to: slot)
    host.free(frame)
    hosted?[page] = .slot(slot)
    counters.hostSwapOuts += 1
    noteHosted()
  }

  /// Pages whose frames a domain has given back.
  private var releasedPages: UInt64 {
    let held = UInt64(host.resident[hosted?.number ?? 0].count)
    return ramPages - min(ramPages, held)
  }

  /// Another frame for a domain that keeps what it has, of zeros; nil if others would have to lose one for it.
  mutating func takeFromHost() -> MPN? {
    guard let number = hosted?.number, host.free > host.kept else { return nil }
    // Which page it is behind is the domain's affair.
    let frame = host.allocate(PPN(0), of: number)
    memory.clear(frame)
    contents?[frame] = 0
    noteHosted()
    return frame
  }

  /// Books what the machine has at present.
  mutating func noteHosted() {
    guard let number = hosted?.number else { return }
    counters.hostMapped = UInt64(host.resident[number].count + host.shared[number])
    counters.hostShared = UInt64(host.shared[number])
    counters.hostMappedPeak = max(counters.hostMappedPeak, counters.hostMapped)
    counters.hostSwapped = UInt64(hosted?.swapped ?? 0)
    counters.hostBallooned = isHosted ? UInt64(hosted?.ballooned ?? 0) : releasedPages
    counters.hostOverhead = host.overhead[number]
    counters.machineFramesPeak = max(counters.machineFramesPeak, counters.hostMapped + counters.hostOverhead)
  }
}
