internal import Paging

/// The machine memory of a host, frame by frame, and its swap area: what all virtual machines share, and what is with
/// the one that runs.
struct HostMemory {
  enum Use: UInt8 {
    case free
    /// The hypervisor's own, for one machine's sake: a table, a part of its physmap.
    case overhead
    /// Behind a page of one machine.
    case page
    /// Behind pages of one machine or several, none of which may store to it.
    case shared
  }

  /// A page that a shared frame is behind.
  struct Sharer: Hashable {
    var machine: Int
    var page: PPN
  }

  struct Frame {
    var use = Use.free
    /// Number of the machine.
    var owner: UInt16 = 0
    var page = PPN(0)
    /// Where in ``resident`` of its owner it is.
    fileprivate var place = 0
  }

  private(set) var frames: [Frame]
  private var freeFrames: [Int]
  /// The frames behind each machine's pages, in no order that means anything.
  private(set) var resident: [[MPN]] = []
  /// The pages behind which each shared frame is, and how many each machine has.
  private(set) var sharers: [MPN: [Sharer]] = [:]
  private(set) var shared: [Int] = []
  /// Frames of the hypervisor's for each machine.
  private(set) var overhead: [UInt64] = []
  /// Free slots of the swap area below the highest that was ever used.
  private var freeSlots: [UInt64] = []
  private var slots: UInt64 = 0
  /// Free frames that no domain gets for the asking.
  var kept = 0
  /// Frames that were needed and not there: the run cannot go on.
  private(set) var lacking = 0

  init(frames count: Int = 0) {
    frames = Array(repeating: Frame(), count: count)
    freeFrames = Array((0..<count).reversed())
  }

  /// Frames that nobody has.
  var free: Int { freeFrames.count }
  /// Slots of the swap area that hold a page.
  var usedSlots: Int { Int(slots) - freeSlots.count }

  /// Another machine, which has nothing yet. Returns its number.
  mutating func addMachine() -> Int {
    resident.append([])
    overhead.append(0)
    shared.append(0)
    return resident.count - 1
  }

  /// The pages of a machine that a frame is behind.
  func pages(_ frame: MPN, of machine: Int) -> [PPN] {
    guard frame.raw < UInt64(frames.count) else { return [] }
    let record = frames[Int(frame.raw)]
    switch record.use {
    case .free, .overhead: return []
    case .page: return Int(record.owner) == machine ? [record.page] : []
    case .shared: return sharers[frame]?.filter { $0.machine == machine }.map(\.page) ?? []
    }
  }

  func isShared(_ frame: MPN) -> Bool { frame.raw < UInt64(frames.count) && frames[Int(frame.raw)].use == .shared }

  /// A frame for the hypervisor, whatever it held. The caller has seen to it that there is one.
  mutating func allocateOverhead(for machine: Int) -> MPN {
    let frame = take()
    frames[Int(frame.raw)] = Frame(use: .overhead, owner: UInt16(machine))
    overhead[machine] += 1
    return frame
  }

  /// A frame behind a page, whatever it held.
  mutating func allocate(_ page: PPN, of machine: Int) -> MPN {
    let frame = take()
    frames[Int(frame.raw)] = Frame(
      use: .page, owner: UInt16(machine), page: page, place: resident[machine].count)
    resident[machine].append(frame)
    return frame
  }

  private mutating func take() -> MPN {
    if let frame = freeFrames.popLast() { return MPN(UInt64(frame)) }
    // Whoever is at work cannot stop half way.
    lacking += 1
    frames.append(Frame())
    return MPN(UInt64(frames.count - 1))
  }

  /// Whether a frame is one of the host's, and neither free nor this machine's.
  func isAnothers(_ frame: MPN, than machine: Int) -> Bool {
    frame.raw < UInt64(frames.count) && frames[Int(frame.raw)].use != .free && !isOwned(frame, by: machine)
  }

  /// Whether a frame is one machine's, and no other's too.
  func isOwned(_ frame: MPN, by machine: Int) -> Bool {
    guard frame.raw < UInt64(frames.count) else { return false }
    let record = frames[Int(frame.raw)]
    return (record.use == .page || record.use == .overhead) && Int(record.owner) == machine
  }

  /// Takes a frame back, to which nothing may lead any more.
  mutating func free(_ frame: MPN) {
    let record = frames[Int(frame.raw)]
    let owner = Int(record.owner)
    switch record.use {
    case .free: preconditionFailure("frame \(frame.raw) is freed twice")
    case .overhead: overhead[owner] -= 1
    case .page: removeResident(frame)
    case .shared:
      guard sharers[frame]?.isEmpty ?? true else { preconditionFailure("frame \(frame.raw) is shared") }
      sharers[frame] = nil
    }
    frames[Int(frame.raw)] = Frame()
    freeFrames.append(Int(frame.raw))
  }

  private mutating func removeResident(_ frame: MPN) {
    let (owner, place) = (Int(frames[Int(frame.raw)].owner), frames[Int(frame.raw)].place)
    let last = resident[owner].removeLast()
    guard last != frame else { return }
    resident[owner][place] = last
    frames[Int(last.raw)].place = place
  }

  // MARK: Shared frames

  /// The frame behind one machine's page may be behind others from now on.
  mutating func share(_ frame: MPN) {
    let record = frames[Int(frame.raw)]
    removeResident(frame)
    frames[Int(frame.raw)] = Frame(use: .shared)
    add(Sharer(machine: Int(record.owner), page: record.page), to: frame)
  }

  mutating func add(_ sharer: Sharer, to frame: MPN) {
    sharers[frame, default: []].append(sharer)
    shared[sharer.machine] += 1
  }

  /// A page has another frame from now on; a shared frame that is behind none is free.
  mutating func remove(_ sharer: Sharer, from frame: MPN) {
    guard let index = sharers[frame]?.firstIndex(of: sharer) else { preconditionFailure("no sharer \(sharer)") }
    sharers[frame]?.remove(at: index)
    shared[sharer.machine] -= 1
    if sharers[frame]?.isEmpty == true { free(frame) }
  }

  // MARK: The swap area

  /// Page numbers from here on are slots of the swap area: what a page holds lies there as it lay in its frame.
  private static var firstSlot: UInt64 { 1 << 39 }

  mutating func takeSlot() -> MPN {
    if let slot = freeSlots.popLast() { return MPN(Self.firstSlot + slot) }
    slots += 1
    return MPN(Self.firstSlot + slots - 1)
  }

  mutating func freeSlot(_ slot: MPN) { freeSlots.append(slot.raw - Self.firstSlot) }

  /// Names what does not add up: each frame is free once, or one machine's, and each machine's list is right.
  func violatedInvariant() -> String? {
    var isFree = Array(repeating: false, count: frames.count)
    for frame in freeFrames {
      if isFree[frame] { return "frame \(frame) is free twice" }
      isFree[frame] = true
      if frames[frame].use != .free { return "frame \(frame) is free and \(frames[frame].use)" }
    }
    var overhead = Array(repeating: UInt64(0), count: resident.count)
    var shared = Array(repeating: 0, count: resident.count)
    var sharedFrames = 0
    for (number, frame) in frames.enumerated() {
      switch frame.use {
      case .free: if !isFree[number] { return "frame \(number) is lost" }
      case .overhead: overhead[Int(frame.owner)] += 1
      case .page:
        let list = resident[Int(frame.owner)]
        if frame.place >= list.count || list[frame.place].raw != UInt64(number) {
          return "frame \(number) is not in the list of machine \(frame.owner)"
        }
      case .shared:
        let pages = sharers[MPN(UInt64(number))] ?? []
        if pages.isEmpty || Set(pages).count != pages.count { return "frame \(number) is shared by \(pages)" }
        for page in pages { shared[page.machine] += 1 }
        sharedFrames += 1
      }
    }
    if overhead != self.overhead { return "overhead \(self.overhead), recounted \(overhead)" }
    if shared != self.shared || sharers.count != sharedFrames { return "shared \(self.shared), recounted \(shared)" }
    let used = freeFrames.count + sharedFrames + resident.reduce(0) { $0 + $1.count } + Int(overhead.reduce(0, +))
    return used == frames.count ? nil : "\(used) frames have a use, of \(frames.count)"
  }
}
