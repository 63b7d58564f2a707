public import Paging

/// The knobs of the backends and of the machine's behaviour, each with its key for `--set`.
public struct Settings: Hashable, Sendable {
  /// EFLAGS.AC of a scenario's or recorded kernel's supervisor code; set, SMAP never refuses.
  public var guestAlignmentCheck = true
  /// A TLB entry with too few rights faults instead of being walked again (SDM 3A 4.10.4.3, spurious page faults).
  public var hasSpuriousFaults = false
  /// The emulated TLB keeps leaves of global pages over CR3 loads.
  public var emulatedTLBKeepsGlobals = false
  /// The nested table is complete from the start.
  public var isNestedTableEager = false
  /// Physical pages that the hypervisor watches for others than its shadow tables.
  public var traces = TraceSettings()

  /// The design of the shadow tables.
  public var shadow = ShadowSettings()
  /// Leaves that the emulated TLB of one CPU holds at most; 0: no limit.
  public var emulatedTLBCapacity = 0
  /// The emulated TLB has a table for each PCID.
  public var emulatedTLBHasTags = false
  /// How the processor is virtualized, and the monitor hidden.
  var monitor = MonitorSettings()
  /// Which of the machine's caches of walks there are.
  var walkCaches = WalkCaches.all
  /// The keys `nested.…` that came later.
  var nested = NestedSettings()
  /// How stores are logged.
  var dirtyLog = DirtyLogSettings()
  /// The keys of the modelled guest kernel.
  var guest = GuestSettings()
  /// The keys of direct paging.
  var direct = DirectSettings()
  /// The keys of devices under the other hypervisors.
  var dma = DMASettings()

  /// Entries of the processor's software-managed TLB that the hypervisor keeps for itself.
  var reservedTLBEntries = 8
  /// Entries of the virtual TLB of such a machine, if more than it has.
  var virtualTLBEntries = 0

  public init() {}

  /// Stores are logged.
  public var logsDirtyPages: Bool { dirtyLog.method != .none }

  /// A key of `--set`: what it is called, what it takes, what it does.
  public struct Key: Sendable {
    public var name: String
    /// The accepted values as they are listed, the default first.
    public var values: [String]
    public var summary: String
    /// What is said of a value that is refused.
    let expectation: String
    /// Sets the value; false if it is not accepted.
    let apply: @Sendable (inout Settings, String) -> Bool
  }

  /// Sets one key. Returns nil if it went well, otherwise what was expected.
  public mutating func set(_ name: String, to value: String) -> String? {
    guard let key = Self.keys.first(where: { $0.name == name }) else { return "no such key" }
    return key.apply(&self, value) ? nil : "expected " + key.expectation
  }
}

/// What the hypervisor watches by memory traces beside guest tables: ranges of physical memory, none by default.
public struct TraceSettings: Hashable, Sendable {
  public var device: PhysicalRange?
  public var readOnlyMemory: PhysicalRange?
  public var copyOnWrite: PhysicalRange?
  public var frameBuffer: PhysicalRange?
  /// They begin at the first mark of the trace, end at the second, and so on, instead of being there from the start.
  public var beginAtMark = false
  /// Bytes of one row of the frame buffer.
  public var frameBufferRow = 4096
}

/// A run of whole physical pages.
public struct PhysicalRange: Hashable, Sendable {
  public var first: PPN
  public var count: UInt64

  /// Pages in a range at most: 4 GiB.
  static var limit: UInt64 { 1 << 20 }

  /// From `START+LENGTH`, both hexadecimal with or without 0x, in bytes: every page that the bytes touch.
  init?(_ text: String) {
    let parts = text.split(separator: "+", omittingEmptySubsequences: false).map {
      UInt64($0.hasPrefix("0x") ? $0.dropFirst(2) : $0, radix: 16)
    }
    guard parts.count == 2, let start = parts[0], let length = parts[1], start < 1 << 52, length > 0 else { return nil }
    guard length <= Self.limit << 12 else { return nil }
    first = PPN(start >> 12)
    count = (start + length - 1) >> 12 - start >> 12 + 1
  }

  public func contains(_ page: PPN) -> Bool { page.raw >= first.raw && page.raw - first.raw < count }
}
