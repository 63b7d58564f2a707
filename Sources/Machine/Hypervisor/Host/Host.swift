internal import Paging

/// A machine that several virtual machines share, with less memory than they believe to have together.
///
///     let host = Host(HostSettings(memory: 64 << 20))
///     let first = try Simulation(configuration, on: host, as: VirtualMachine(name: "first"))
///     let second = try Simulation(configuration, on: host, as: VirtualMachine(name: "second"))
///
/// Each machine has a mode, a trace and virtual processors of its own. The host has the frames: a page gets one at its
/// first use, and may lose it to others. What the machines share is with the one that runs, one at a time.
public final class Host {
  public let settings: HostSettings
  private var memory = MachineMemory()
  var frames: HostMemory
  private var contents: FrameContents?
  /// What is known of contents.
  var known = KnownContents()
  var members: [Member] = []
  /// Who runs at present.
  private(set) var running: Int?
  public private(set) var state = HostState.high
  /// Frames that nobody has.
  public var freeFrames: Int { frames.free }
  /// Times that each state was come to.
  public private(set) var changes: [HostState: UInt64] = [:]
  var random: HostRandom
  /// The least number of free frames at which an exit can be handled.
  let reserve = Host.exitFrames
  /// Frames that are put aside for what the hypervisor needs for each machine. They may become more.
  let overheadPages: Int
  /// The machine that ran last on each processor.
  private var lastOn: [Int: Int] = [:]
  private var turns = 0
  /// Pages that can still be taken during this turn.
  var takesLeft = Int.max

  /// One machine, with what the host knows of it.
  struct Member {
    let description: VirtualMachine
    let machine: any HostedMachine
    /// Pages that it keeps whatever happens; of a domain under direct paging, those that it is not asked for.
    let minimumPages: Int
    /// It has frames of its own, for which it can only be asked.
    let keepsFrames: Bool
    /// Pages that must be there for it to come.
    let admittedPages: Int
    var use = UseEstimate()
    /// Pages of the running sample.
    var sampleSize = 0
    /// Pages that its balloon is to leave the guest; nil: all.
    var target: Int?
    /// The driver has not heard yet that it may give pages back to the guest.
    var isDeflating = false
    /// Operations at the last sample.
    var sampledAt: UInt64 = 0
  }

  /// Frames that the handling of an exit takes at most: the page, the guest's tables on the way to it and the
  /// hypervisor's, each perhaps with a frame of the physmap.
  static var exitFrames: Int { 32 }
  static var overheadFrames: Int { 64 }
  /// Fewest pages that a machine keeps: those that one access may need, and those that came last.
  static var leastPages: Int { 16 }

  public convenience init(_ settings: HostSettings) { self.init(settings, overhead: Self.overheadFrames) }

  init(_ settings: HostSettings, overhead: Int) {
    self.settings = settings
    overheadPages = overhead
    frames = HostMemory(frames: Int(settings.memory >> 12))
    random = HostRandom(seed: settings.seed)
    if settings.scannedPages > 0 { contents = FrameContents() }
    frames.kept = threshold(.soft)
  }

  // MARK: Machines come

  func nextShare(of machine: VirtualMachine) -> HostShare {
    HostShare(
      number: frames.addMachine(), size: machine.size, diskCycles: settings.diskCycles,
      sharesPages: settings.scannedPages > 0, image: machine.image,
      lastUses: machine.lastUses, frames: settings.memory >> 12)
  }

  /// A machine is there. Throws if there is no room for it.
  func join(
    _ machine: any HostedMachine, _ description: VirtualMachine, _ configuration: Configuration
  ) throws(ReplayError) {
    var problem = machine.hostProblem(configuration.settings)
    if machine.keepsFrames && description.size == nil {
      problem = "in mode direct, whose memory is its own from the start, without a size"
    }
    if machine.keepsFrames && !description.lastUses.isEmpty {
      problem = "in mode direct with foresight, which it cannot use"
    }
    if let problem { throw ReplayError(operation: nil, message: "machine \(description.name) \(problem)") }
    let minimum = max(Self.leastPages, Int((description.minimum + 4095) >> 12))
    members.append(
      Member(
        description: description, machine: machine, minimumPages: minimum, keepsFrames: machine.keepsFrames,
        admittedPages: machine.keepsFrames ? machine.ramPages : minimum))
    try admit()
    try machine.join(self)
  }

  // MARK: Turns

  func beginTurn(of machine: any HostedMachine) {
    guard let number = machine.number else { preconditionFailure("no machine of a host") }
    running = number
    beginReclaim()
    if let processors = settings.processors {
      let processor = turns % processors
      if let last = lastOn[processor], last != number { machine.flushProcessors() }
      lastOn[processor] = number
      turns += 1
    }
    machine.exchange(self)
  }

  func endTurn(of machine: any HostedMachine) {
    if let number = machine.number, !machine.keepsFrames {
      sample(number)
      scan(number)
    }
    machine.exchange(self)
    running = nil
    balance()
  }

  /// What is taken during a turn is limited by the way to the swap area.
  func beginReclaim() { takesLeft = settings.reclaimRate ?? .max }

  /// Gives the machine what all share, or takes it back.
  func exchange(_ machine: inout MachineState) {
    swap(&memory, &machine.memory)
    swap(&frames, &machine.host)
    swap(&contents, &machine.contents)
  }

  /// Goes to the state that so many free frames mean. Down at once; up only where the next threshold is reached, so that
  /// what was won is not spent at once.
  func updateState(free: Int? = nil) {
    let free = free ?? frames.free
    var new = state
    while new > .low, free < threshold(HostState(rawValue: new.rawValue - 1) ?? .low) {
      new = HostState(rawValue: new.rawValue - 1) ?? .low
    }
    if new == state {
      while let above = HostState(rawValue: new.rawValue + 1), free >= threshold(above) { new = above }
    }
    guard new != state else { return }
    state = new
    changes[new, default: 0] += 1
  }

  /// Free frames below which a state begins, and those at which the one below it ends (Waldspurger, OSDI 2002, 6.3: 6, 4, 2 and 1 per
  /// cent), but never fewer than exits need.
  func threshold(_ state: HostState) -> Int {
    let (percent, least) =
      switch state {
      case .high: (6, 6)
      case .soft: (4, 4)
      case .hard: (2, 2)
      case .low: (1, 1)
      }
    return max(Int(settings.memory >> 12) * percent / 100, reserve * least)
  }
}

/// Steele, Lea and Flood's SplitMix64 (OOPSLA 2014).
struct HostRandom {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func below(_ bound: Int) -> Int {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return Int((z ^ z >> 31) % UInt64(bound))
  }
}
