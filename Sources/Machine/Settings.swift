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
  /// Which of the machine's caches of walks there are.
  var walkCaches = WalkCaches.all
  /// The keys `nested.…` that came later.
  var nested = NestedSettings()

  public init() {}

  /// A key of `--set`: what it is called, what it takes, what it does.
  public struct Key: Sendable {
    public var name: String
    /// The accepted values, the default first.
    public var values: [String]
    public var summary: String
    /// Takes the index of a value in `values`.
    let apply: @Sendable (inout Settings, Int) -> Void
  }

  /// Every key there is, in the order in which they are listed.
  public static let keys: [Key] = generalKeys + nestedKeys

  private static let generalKeys: [Key] = [
    Key(name: "guest.ac", values: ["1", "0"], summary: "EFLAGS.AC as the guest's kernel sees it; 0 lets SMAP refuse") {
      $0.guestAlignmentCheck = $1 == 0
    },
    Key(
      name: "tlb.spurious", values: ["off", "on"],
      summary: "a TLB entry with too few rights faults at once instead of being walked again (for scenarios)"
    ) { $0.hasSpuriousFaults = $1 == 1 },
    Key(
      name: "emulated-tlb.globals", values: ["drop", "keep"],
      summary: "what a CR3 load does to leaves of global pages in the emulated TLB"
    ) { $0.emulatedTLBKeepsGlobals = $1 == 1 },
    Key(
      name: "nested.fill", values: ["lazy", "eager"],
      summary: "the nested table is filled on violations, or complete from the start"
    ) { $0.isNestedTableEager = $1 == 1 },
  ]

  /// Sets one key. Returns nil if it went well, otherwise what was expected.
  public mutating func set(_ name: String, to value: String) -> String? {
    guard let key = Self.keys.first(where: { $0.name == name }) else { return "no such key" }
    guard let index = key.values.firstIndex(of: value) else {
      return "expected " + key.values.joined(separator: " or ")
    }
    key.apply(&self, index)
    return nil
  }
}
