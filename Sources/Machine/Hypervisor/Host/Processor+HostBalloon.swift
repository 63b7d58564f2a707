internal import Paging

/// A balloon in a guest whose hypervisor looks after frames itself (VMware's; Waldspurger, OSDI 2002, 3.2): the driver tells which
/// pages it has, and one that is used all the same gets a frame of zeros.
extension Processor where MMU: ~Copyable {
  /// The driver has pages that nobody in the guest uses any more. Returns how many the host took.
  mutating func giveToHost(_ pages: [PPN]) -> Int {
    // One call for as many pages as a page holds numbers of.
    machine.countExit(\.exitOther, "balloon", UInt64(pages.count), cpus.running.index)
    backend.unmap(pages.filter { machine.isBacked($0) }, &cpus.running, &machine)
    for page in pages {
      switch machine.hosted?[page] {
      case .frame: machine.giveUpFrame(of: page)
      case .slot(let slot): machine.host.freeSlot(slot)
      case .nowhere, .ballooned, nil: break
      }
      machine.hosted?[page] = .ballooned
    }
    machine.noteHosted()
    return pages.count
  }

  /// The driver lets pages go, which will get frames when they are used.
  mutating func takeFromHost(_ pages: [PPN]) -> Int {
    machine.countExit(\.exitOther, "balloon", UInt64(pages.count), cpus.running.index)
    for page in pages where machine.hosted?[page] == .ballooned { machine.hosted?[page] = .nowhere }
    machine.noteHosted()
    return pages.count
  }

  /// The host asks the driver to leave the guest so many pages.
  mutating func setBalloonTarget(_ pages: Int) throws(ReplayError) {
    if kernel == nil { return inflateRecorded(leaving: pages) }
    guard kernel?.balloon.target != UInt64(pages) || kernel?.balloon.retry != nil else { return }
    try withKernel { (kernel, port) throws(ReplayError) in try kernel.setTarget(UInt64(pages), &port) }
  }
}

extension MachineState {
  /// The guest's kernel writes a page to its own swap area: one that is in the host's comes back for that alone.
  mutating func noteDoublePaging(_ page: PPN) {
    if case .slot? = hosted?[page] { counters.hostDoublePaged += 1 }
  }
}
