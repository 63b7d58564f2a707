internal import Paging

/// A balloon in a recorded kernel, whose pages a pass over the recording has shown to be used no more: an upper bound of what
/// the kernel itself could have spared, for it knows of no page that it will never use again but those that it has freed.
struct RecordedBalloon {
  /// Pages by their last use, the first to go first, with the operation after it.
  private let pages: [(page: PPN, after: UInt64)]
  private var next = 0

  /// `lastUses`: for each page the operation after its last use, 0 if it is never used, the largest number if it must stay.
  init(_ lastUses: [UInt64]) {
    var pages: [(page: PPN, after: UInt64)] = []
    for (number, after) in lastUses.enumerated() where after > 0 && after < .max {
      pages.append((PPN(UInt64(number)), after))
    }
    self.pages = pages.sorted { ($0.after, $0.page.raw) < ($1.after, $1.page.raw) }
  }

  /// The next page that is used no more from an operation on, nil if there is none.
  mutating func take(at operation: UInt64) -> PPN? {
    guard next < pages.count, pages[next].after <= operation else { return nil }
    next += 1
    return pages[next - 1].page
  }
}

extension Processor where MMU: ~Copyable {
  /// The host asks the balloon of a recorded kernel to leave the guest so many pages with a frame: it gives what the recording
  /// uses no more, as far as there is any.
  mutating func inflateRecorded(leaving target: Int) {
    guard let number = machine.hosted?.number, let balloon = machine.hosted?.recordedBalloon else { return }
    var rest = balloon
    var missing = machine.host.resident[number].count - target
    var pages: [PPN] = []
    while missing > 0, let page = rest.take(at: machine.operation) {
      switch machine.hosted?[page] {
      case .frame(let frame):
        pages.append(page)
        if !machine.host.isShared(frame) { missing -= 1 }
      case .slot: pages.append(page)
      case .nowhere, .ballooned, nil: break
      }
    }
    machine.hosted?.recordedBalloon = rest
    for first in stride(from: 0, to: pages.count, by: Balloon.batch) {
      let count = giveToHost(Array(pages[first..<min(first + Balloon.batch, pages.count)]))
      machine.counters.balloonGiven += UInt64(count)
    }
  }
}
