internal import Paging

/// What the host knows of the contents of pages, by their identity, which stands for a hash: it may be out of date.
struct KnownContents {
  enum Place {
    /// A page that nobody has write-protected for this.
    case hint(machine: Int, page: PPN)
    case shared(MPN)
  }
  private var places: [UInt64: Place] = [:]

  subscript(contents: UInt64) -> Place? {
    get { places[contents] }
    set { places[contents] = newValue }
  }

  /// The shared frame that holds what a page of the machine that has all frames does, nil if none is known: a page is
  /// shared rather than swapped out (Waldspurger, OSDI 2002, 4.3).
  func frame(for page: PPN, _ machine: borrowing MachineState) -> MPN? {
    guard !places.isEmpty, !machine.isMerged(page), let contents = machine.sharableContents(page),
      case .shared(let frame)? = places[contents], machine.holds(frame, contents)
    else { return nil }
    return frame
  }
}

extension MachineState {
  /// A page, of which no mapping may be left, joins others that are known to hold the same, or goes to the swap area.
  mutating func loseFrame(of page: PPN, _ known: KnownContents) {
    if let frame = known.frame(for: page, self) { merge(page, into: frame) } else { swapOut(page) }
  }
}

extension Host {
  /// At the end of a machine's turn: looks at some of its pages, at random. A page that holds what a shared frame does gets that
  /// frame; one that holds what a hint promises, if that page still does, shares with it; any other is a hint itself (Waldspurger, OSDI 2002, 4.1).
  func scan(_ number: Int) {
    let machine = members[number].machine
    for _ in 0..<settings.scannedPages {
      let list = machine.frames.resident[number]
      guard !list.isEmpty else { return }
      let page = machine.frames.frames[Int(list[random.below(list.count)].raw)].page
      guard let contents = machine.sharableContents(page) else { continue }
      if let frame = partner(contents, of: number, page) { machine.merge(page, into: frame) }
    }
  }

  /// A shared frame that holds these contents, nil if there is none; the page is then known for the next that does.
  private func partner(_ contents: UInt64, of number: Int, _ page: PPN) -> MPN? {
    let machine = members[number].machine
    switch known[contents] {
    case .shared(let frame)? where machine.holds(frame, contents):
      return frame
    case .hint(let other, let otherPage)? where other != number || otherPage != page:
      // The other has what all share while its page is looked at once more.
      if other != number { hand(over: machine, to: members[other].machine) }
      let isSame = members[other].machine.sharableContents(otherPage) == contents
      let frame = isSame ? members[other].machine.offer(otherPage) : nil
      if other != number { hand(over: members[other].machine, to: machine) }
      if let frame {
        known[contents] = .shared(frame)
        return frame
      }
    default: break
    }
    known[contents] = .hint(machine: number, page: page)
    return nil
  }

  private func hand(over giver: any HostedMachine, to taker: any HostedMachine) {
    giver.exchange(self)
    taker.exchange(self)
  }

  /// Pages that are behind shared frames, and the frames: what is saved is the difference.
  public var sharing: (pages: Int, frames: Int) {
    (frames.shared.reduce(0, +), frames.sharers.count)
  }
}
