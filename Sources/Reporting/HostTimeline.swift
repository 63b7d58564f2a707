public import Machine

/// What each machine of a host has, round by round of turns: one line a machine.
public struct HostTimeline: Sendable {
  private let machines: [(name: String, mode: Mode)]
  private var round = 0

  public init(_ machines: [(name: String, mode: Mode)]) { self.machines = machines }

  /// Counts from the beginning on and levels of the moment, named as in ``CounterTable``; `active_percent` is the part of its
  /// memory that a machine uses, as far as the host knows; free frames, the state and the
  /// shared frames are of the host.
  public static let header = CSV.line(
    [
      "round", "machine", "mode", "operations", "mapped", "shared", "swapped", "ballooned", "overhead", "swap_ins",
      "double_paged", "guest_swap_ins", "cycles_total", "active_percent", "free", "state", "shared_frames",
      "waits",
    ])

  /// The lines of a round.
  public mutating func lines(_ counters: [Counters], _ host: Host) -> String {
    defer { round += 1 }
    let shared = host.sharing.frames
    return zip(machines.indices, counters).map { number, c in
      let machine = machines[number]
      let figures: [UInt64] = [
        c.operations, c.hostMapped, c.hostShared, c.hostSwapped, c.hostBallooned, c.hostOverhead, c.hostSwapIns,
        c.hostDoublePaged, c.guestPagesSwappedIn, c.cyclesTotal, UInt64(100 * host.activeFraction(number)),
        UInt64(host.freeFrames),
      ]
      return CSV.line(
        ["\(round)", machine.name, machine.mode.rawValue] + figures.map { String($0) }
          + ["\(host.state)", "\(shared)", "\(c.hostWaits)"])
    }.joined()
  }
}
