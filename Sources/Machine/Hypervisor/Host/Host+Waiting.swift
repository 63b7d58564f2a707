/// State low: machines that are above their targets do not run (Waldspurger, OSDI 2002, 6.3).
extension Host {
  /// Pages that each machine has once enough have been taken: what it has above that others need.
  private func targets() -> [Int] {
    var pages = members.indices.map { frames.resident[$0].count }
    var free = frames.free
    while free < threshold(.soft), let payer = payer(pages) ?? payer(pages, asks: settings.hasBalloons) {
      pages[payer] -= 1
      free += 1
    }
    return pages
  }

  /// Whether a machine must not run before pages have been taken.
  func isBlocked(_ number: Int) -> Bool {
    state == .low && frames.resident[number].count > targets()[number]
  }

  /// A turn passes in which a machine does nothing of its own. Only its balloon driver runs if it is asked for pages.
  /// Returns whether the host has more free memory for it: if not, there is nothing to wait for.
  func passTurn(of number: Int, _ driver: () throws(ReplayError) -> Void) throws(ReplayError) -> Bool {
    let free = frames.free
    if members[number].target != nil && members[number].machine.hasBalloon {
      try driver()
    } else {
      beginReclaim()
      balance()
    }
    return frames.free > free
  }
}
