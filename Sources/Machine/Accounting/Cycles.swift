/// Cycles by what they were spent on. The three parts that reports show are sums of these, so none is spent twice.
public struct Cycles: Hashable, Sendable {
  // Translation: the hardware's own work.
  /// Hits of the second-level TLB, on top of the first level's.
  public var secondTLB: UInt64 = 0
  /// References to the tables that a virtual address goes through, through the walk cache, and answers of structure
  /// caches that cost something.
  public var walk: UInt64 = 0
  /// The same of the nested table.
  public var nestedWalk: UInt64 = 0

  // The guest's own work, which it has on bare hardware too.
  /// Delivery of page faults to the guest's handler.
  public var delivery: UInt64 = 0
  public var guestCR3: UInt64 = 0
  public var guestInvlpg: UInt64 = 0

  // Virtualization: the ways to the hypervisor and back, and what it does there.
  /// Hidden faults by their class: the exit and the handling.
  public var fill: UInt64 = 0
  public var trace: UInt64 = 0
  public var dirty: UInt64 = 0
  public var host: UInt64 = 0
  public var other: UInt64 = 0
  /// True faults: the exit and the injection.
  public var trueFault: UInt64 = 0
  /// Intercepted CR3 loads, INVLPGs, loads of other control registers.
  public var cr3: UInt64 = 0
  public var invlpg: UInt64 = 0
  public var control: UInt64 = 0
  /// Interrupts, and exceptions that are no page faults.
  public var interrupt: UInt64 = 0
  /// Hypercalls: the way in and out.
  public var hypercall: UInt64 = 0
  /// Validation of the entries that hypercalls ask for.
  public var validation: UInt64 = 0
  /// Guest entries that the hypervisor looks at in passing.
  public var examine: UInt64 = 0
  /// Harvests of the dirty log: the exit, and the entries that it looks at.
  public var dirtyLog: UInt64 = 0
  /// Large nested pages that are split, and put together again.
  public var nestedSplit: UInt64 = 0
  /// Changes between kernel and user mode that the hypervisor makes: system calls that it hands on, loads of base tables.
  public var mode: UInt64 = 0

  public init() {}

  public var translation: UInt64 { secondTLB + walk + nestedWalk }
  public var guest: UInt64 { delivery + guestCR3 + guestInvlpg }
  public var virtualization: UInt64 {
    fill + trace + dirty + host + other + trueFault + cr3 + invlpg + control + interrupt + hypercall + validation
      + examine + dirtyLog + nestedSplit + mode
  }
}

extension Cycles {
  /// One thing that cycles are spent on, with its name for people and for columns.
  public struct Item: Sendable {
    /// The column of the CSV is `cycles_` and this.
    public let name: String
    /// For people: "walks of the nested table".
    public let title: String
    public let value: @Sendable (Cycles) -> UInt64
    /// Spent in the hypervisor, or on the ways to it, or on a table of its own.
    public let isHypervisors: Bool

    init(_ name: String, _ title: String, native: Bool = false, _ value: @escaping @Sendable (Cycles) -> UInt64) {
      (self.name, self.title, self.value, isHypervisors) = (name, title, value, !native)
    }
  }

  /// All of them, those of ``translation`` first, then ``guest``, then ``virtualization``.
  public static let items: [Item] = [
    Item("l2_tlb", "hits of the L2 TLB", native: true) { $0.secondTLB },
    Item("walk", "walks of page tables", native: true) { $0.walk },
    Item("nested_walk", "walks of the nested table") { $0.nestedWalk },
    Item("delivery", "delivery of page faults in the guest", native: true) { $0.delivery },
    Item("guest_cr3", "CR3 loads themselves", native: true) { $0.guestCR3 },
    Item("guest_invlpg", "INVLPGs themselves", native: true) { $0.guestInvlpg },
    Item("hidden_fill", "hidden faults that fill an entry") { $0.fill },
    Item("hidden_trace", "stores to traced pages") { $0.trace },
    Item("hidden_dirty", "hidden faults that set D") { $0.dirty },
    Item("hidden_host", "hidden faults for want of a machine frame") { $0.host },
    Item("hidden_other", "other hidden faults") { $0.other },
    Item("true_fault", "exits of true faults") { $0.trueFault },
    Item("exit_cr3", "exits of CR3 loads") { $0.cr3 },
    Item("exit_invlpg", "exits of INVLPGs") { $0.invlpg },
    Item("exit_control", "exits of other control registers") { $0.control },
    Item("exit_interrupt", "exits of interrupts") { $0.interrupt },
    Item("hypercall", "hypercalls") { $0.hypercall },
    Item("validation", "validation of updates") { $0.validation },
    Item("examine", "guest entries looked at in passing") { $0.examine },
    Item("dirty_log", "harvests of the dirty log") { $0.dirtyLog },
    Item("nested_split", "large nested pages split and put together") { $0.nestedSplit },
    Item("mode", "changes between kernel and user mode") { $0.mode },
  ]
}
