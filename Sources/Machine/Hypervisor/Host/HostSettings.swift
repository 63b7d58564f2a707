/// What a host is like.
public struct HostSettings: Hashable, Sendable {
  /// Machine memory, in bytes.
  public var memory: UInt64
  /// Bytes of the swap area; nil: as much as the machines may need.
  public var swap: UInt64?
  /// Decides which pages are taken, and which are sampled.
  public var seed: UInt64 = 1
  /// The part of what a machine does not use that it loses before others lose what they use, from 0 to below 1
  /// (Waldspurger, OSDI 2002, 5.2: 0.75).
  public var idleTax = 0.75
  /// Operations of a machine between two samples of what it uses.
  public var samplePeriod: UInt64 = 100_000
  /// Pages of a sample (the same, 5.3: 100).
  public var sampleSize = 100
  /// Cycles that a read from the swap area takes: 100 µs of a fast disk at 3 GHz.
  public var diskCycles: UInt64 = 300_000
  /// Balloons are asked before pages are taken.
  public var hasBalloons = true
  /// Pages that it can take from machines during one turn, beside those that an exit cannot do without: what goes to the
  /// swap area takes its time. nil: as many as it wants.
  public var reclaimRate: Int?
  /// Pages whose contents the host looks at, at the end of each turn, for others that hold the same; 0: it shares none.
  public var scannedPages = 0
  /// Processors that the machines take turns on; nil: each has its own.
  public var processors: Int?

  public init(memory: UInt64) { self.memory = memory }
}

/// What one machine on a host may have.
public struct VirtualMachine: Hashable, Sendable {
  public var name: String
  /// Bytes of memory that it believes to have; nil: what its trace says.
  public var size: UInt64?
  /// Bytes that it keeps whatever happens.
  public var minimum: UInt64 = 0
  /// Machines of the same image have the same files.
  public var image = ""
  /// Its weight against others.
  public var shares: UInt64 = 1000
  /// For each page, one more than the number of the operation that uses it last (``Simulation/lastUses``): what a balloon in
  /// a recorded kernel may take. Empty: there is no balloon in a recorded kernel.
  public var lastUses: [UInt64] = []

  public init(name: String) { self.name = name }
}

/// What a machine must know of its place on a host.
struct HostShare {
  var number: Int
  var size: UInt64?
  var diskCycles: UInt64
  /// Contents are followed, for pages are shared by them.
  var sharesPages: Bool
  var image: String
  /// When each page is used for the last time, if that is known.
  var lastUses: [UInt64] = []
  /// Frames that the host has.
  var frames: UInt64 = 0
}

/// How short of free memory a host is (Waldspurger, OSDI 2002, 6.3).
public enum HostState: Int, CaseIterable, Comparable, Sendable {
  /// Pages are taken, and machines above what they may have wait meanwhile.
  case low
  /// Pages are taken.
  case hard
  /// Balloons are asked, and pages are taken of machines that have none.
  case soft
  /// There is enough.
  case high

  public static func < (a: HostState, b: HostState) -> Bool { a.rawValue < b.rawValue }
}
