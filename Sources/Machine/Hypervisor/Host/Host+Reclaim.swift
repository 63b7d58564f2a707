internal import Paging

/// Frames are taken from machines for others.
extension Host {
  /// What a machine pays for a page of its own: the one that pays least loses one (min-funding revocation with an idle
  /// memory tax; Waldspurger, OSDI 2002, 5.2). An idle page costs 1 / (1 - tax) times as much as one in use.
  func price(_ number: Int, pages: Int) -> Double {
    let member = members[number]
    let active = member.use.fraction
    let idleCost = 1 / (1 - settings.idleTax)
    return Double(member.description.shares) / (Double(max(pages, 1)) * (active + idleCost * (1 - active)))
  }

  /// The machine that loses the next page, nil if all are down to their minimum. `asks`: balloons are asked, so it may be
  /// one of which nothing can be taken.
  func payer(_ pages: [Int], asks: Bool = false, sparing spared: Set<Int> = []) -> Int? {
    var best: (price: Double, number: Int)?
    for number in members.indices where pages[number] > members[number].minimumPages && !spared.contains(number) {
      if members[number].keepsFrames && !(asks && members[number].machine.hasBalloon) {
        continue
      }
      let price = price(number, pages: pages[number])
      if best.map({ price < $0.price }) ?? true { best = (price, number) }
    }
    return best?.number
  }

  /// Has frames freed while a machine runs, from itself too; `needed`: frames that its exit may take. Throws if it cannot go on.
  func makeRoom<MMU: Backend & ~Copyable>(
    _ needed: Int, _ backend: inout MMU, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(ReplayError) {
    guard let own = machine.hosted?.number else { return }
    updateState(free: machine.host.free)
    let wanted = max(threshold(.soft), needed)
    var spared: Set<Int> = []
    while machine.host.free < wanted {
      // What an exit needs cannot wait for another turn.
      guard takesLeft > 0 || machine.host.free < needed else { break }
      guard let payer = payer(machine.host.resident.map(\.count), sparing: spared) else {
        if machine.host.free >= needed { break }
        throw overcommitted(machine, needed: needed)
      }
      guard let page = victim(of: payer, &machine) else {
        // Devices are at all that it has.
        spared.insert(payer)
        continue
      }
      takesLeft = max(0, takesLeft - 1)
      if payer == own {
        backend.unmap([page], &cpu, &machine)
        machine.loseFrame(of: page, known)
      } else {
        // The other has what all share while it gives a page of its own up.
        exchange(&machine)
        members[payer].machine.exchange(self)
        members[payer].machine.loseFrame(of: page, known)
        members[payer].machine.exchange(self)
        exchange(&machine)
      }
    }
    updateState(free: machine.host.free)
  }

  /// A page of a machine's at random, so that the host does not choose as the guest would (the same, 3.1).
  private func victim(of number: Int, _ machine: inout MachineState) -> PPN? {
    let isOwn = number == machine.hosted?.number
    let other = members[number].machine
    return victim(machine.host, number) { page in
      isOwn ? machine.keeps(page) : other.keeps(page)
    }
  }

  /// The same of a machine that has what all share, and does not run.
  func victim(of number: Int, _ machine: any HostedMachine) -> PPN? {
    victim(machine.frames, number, isKept: machine.keeps)
  }

  private func victim(_ frames: borrowing HostMemory, _ number: Int, isKept: (PPN) -> Bool) -> PPN? {
    // The pages that came last stay; they are fewer than any minimum.
    for _ in 0..<1000 {
      let frame = frames.resident[number][random.below(frames.resident[number].count)]
      let page = frames.frames[Int(frame.raw)].page
      if !isKept(page) { return page }
    }
    return nil
  }
}
