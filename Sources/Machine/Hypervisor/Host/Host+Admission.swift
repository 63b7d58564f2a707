internal import Paging

/// Who may come, and what is said when there is not enough for those who have.
extension Host {
  /// Every machine's minimum, and what the hypervisor needs for it, must be there together (Waldspurger, OSDI 2002, 6.1).
  func admit() throws(ReplayError) {
    guard let newcomer = members.last else { return }
    let total = Int(settings.memory >> 12)
    let needed = members.reduce(reserve * 2) { $0 + $1.admittedPages + overheadPages }
    guard needed > total else { return try admitSwap(newcomer) }
    let others = needed - newcomer.admittedPages - overheadPages - reserve * 2
    throw ReplayError(
      operation: nil,
      message: "machine \(newcomer.description.name) needs \(Self.text(newcomer.admittedPages)) at least and "
        + "\(Self.text(overheadPages)) of overhead: with \(Self.text(others)) for the machines before it and a reserve "
        + "of \(Self.text(reserve * 2)), the host's \(Self.text(total)) are not enough")
  }

  /// What a machine may lose must have a place in the swap area.
  private func admitSwap(_ newcomer: Member) throws(ReplayError) {
    guard let swap = settings.swap else { return }
    let needed = members.reduce(0) { $0 + $1.swapPages }
    guard needed > Int(swap >> 12) else { return }
    throw ReplayError(
      operation: nil,
      message: "machine \(newcomer.description.name) needs "
        + "\(Self.text(newcomer.swapPages)) of swap area: with "
        + "the machines before it \(Self.text(needed)), more than the \(Self.text(Int(swap >> 12))) there are")
  }

  /// A number of pages for people.
  static func text(_ pages: Int) -> String { "\(pages * 4) KiB" }

  /// Nothing can be taken from anybody, and a machine needs more.
  func overcommitted(_ machine: borrowing MachineState, needed: Int? = nil) -> ReplayError {
    let number = machine.hosted?.number ?? 0
    let held = machine.host.resident.map(\.count).reduce(0, +)
    let overhead = machine.host.overhead.reduce(0, +)
    let minimum = members.map(\.admittedPages).reduce(0, +)
    return ReplayError(
      operation: machine.operation,
      message: "machine \(members[number].description.name) cannot get another page: the host's "
        + "\(Self.text(Int(settings.memory >> 12))) hold \(Self.text(held)) of the machines', whose minima are "
        + "\(Self.text(minimum)), and \(Self.text(Int(overhead))) of tables; \(Self.text(machine.host.free)) are free, "
        + "and an exit may need \(Self.text(needed ?? reserve))")
  }
}

extension Host.Member {
  /// Pages that it may lose to the swap area.
  var swapPages: Int { keepsFrames ? 0 : max(0, machine.ramPages - minimumPages) }
}
