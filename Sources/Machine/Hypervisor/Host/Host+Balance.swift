/// What the host does between turns.
extension Host {
  /// Asks balloons while memory is short, takes pages where there is no balloon or no time, and gives back what was asked for when there is
  /// enough (Waldspurger, OSDI 2002, 6.3).
  func balance() {
    updateState()
    if state == .high { return deflate() }
    // What balloons have been asked for, and have not given yet.
    var pages = members.indices.map { min(frames.resident[$0].count, members[$0].target ?? .max) }
    let asked = members.indices.reduce(0) { $0 + frames.resident[$1].count - pages[$1] }
    var free = frames.free + (state == .soft ? asked : 0)
    let wanted = threshold(state == .soft ? .high : .soft)
    let asks = state == .soft && settings.hasBalloons
    // What cannot be taken can still be asked for.
    while free < wanted, let payer = payer(pages, asks: asks) ?? payer(pages, asks: settings.hasBalloons) {
      if (asks || members[payer].keepsFrames) && members[payer].machine.hasBalloon {
        members[payer].target = pages[payer] - 1
      } else {
        guard takesLeft > 0 else { break }
        takesLeft -= 1
        members[payer].machine.exchange(self)
        let page = victim(of: payer, members[payer].machine)
        if let page { members[payer].machine.loseFrame(of: page, known) }
        members[payer].machine.exchange(self)
        if page == nil { break }
      }
      pages[payer] -= 1
      free += 1
    }
    updateState()
  }

  /// The machine that would pay most for them gets half of the pages that nobody needs.
  private func deflate() {
    let spare = (frames.free - threshold(.high)) / 2
    let squeezed = members.indices.filter { members[$0].target != nil }
    guard spare > 0, let number = squeezed.max(by: { price($0) < price($1) }) else { return }
    let target = (members[number].target ?? 0) + spare
    members[number].target = target < members[number].machine.ramPages ? target : nil
    members[number].isDeflating = true
  }

  private func price(_ number: Int) -> Double { price(number, pages: frames.resident[number].count) }

  /// At the beginning of its turn a machine's driver hears what it is asked for.
  func tellBalloon(of number: Int) throws(ReplayError) {
    let member = members[number]
    guard member.machine.hasBalloon, member.target != nil || member.isDeflating else { return }
    members[number].isDeflating = false
    try member.machine.setBalloonTarget(member.target ?? member.machine.ramPages)
  }
}
