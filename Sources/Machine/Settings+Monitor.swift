internal import Paging

/// How the processor is virtualized: what decides which operations of the guest enter the monitor, in which way, and
/// at what cost. The counts of the memory side do not depend on it.
public enum Technique: String, CaseIterable, Sendable {
  /// None is modelled: intercepted operations are exits of the machine's plain cost, interrupts are none.
  case none
  /// The guest's kernel runs without privilege, and each privileged instruction traps (Popek & Goldberg 1974).
  case trapAndEmulate = "trap-and-emulate"
  /// The guest's kernel is translated: its privileged instructions have become calls of the monitor.
  case binaryTranslation = "binary-translation"
  /// The guest's kernel asks by hypercalls instead.
  case paravirtual
  /// VT-x or SVM: a mode of the processor for guests, which it leaves for the monitor at what the monitor asks for.
  case hardwareAssisted = "hardware-assisted"
}

/// How the monitor is kept out of the guest's sight, where it shares a virtual address space with it.
enum Hiding: Hashable, Sendable {
  case off
  /// It has an address space of its own, entered and left at each exit.
  case addressSpace
  /// A range of the guest's virtual space is never mapped; what the guest does there is emulated.
  case protection
  /// The guest's segments end before a range: what it does there is #GP.
  case truncation
}

/// What can be chosen of the monitor beside its tables: the keys `cpu.technique` and `monitor.…`.
struct MonitorSettings: Hashable, Sendable {
  var technique = Technique.none
  var hiding = Hiding.off
  /// The TLB's entries are tagged by address space, so that an exit flushes none.
  var hasTags = false
  var range = MonitorRange.xen32
}

/// A range of virtual addresses that the monitor takes: entries of one table of level ``level``, side by side.
struct MonitorRange: Hashable, Sendable {
  let first: VPN
  /// In pages of 4 KiB.
  let count: UInt64
  /// Level of the table that the whole range is entries of: the highest that there is, 2 to 4.
  let level: Int

  /// Xen's 64 MiB at the top of a 32-bit space (Xen, public/arch-x86/xen-x86_32.h: HYPERVISOR_VIRT_START FC000000, the
  /// layout without PAE).
  static var xen32: MonitorRange { MonitorRange(start: 0xfc00_0000, length: 64 << 20) }
  /// Xen's 8 TiB of a 64-bit space (Xen, public/arch-x86/xen-x86_64.h: from FFFF800000000000 to FFFF880000000000).
  static var xen64: MonitorRange { MonitorRange(start: 0xffff_8000_0000_0000, length: 8 << 40) }
  /// The uppermost 64 MiB of a 64-bit space, where a 64-bit kernel has some of its modules and its fixed mappings.
  static var top64: MonitorRange { MonitorRange(start: 0xffff_ffff_fc00_0000, length: 64 << 20) }

  static var named: [(name: String, range: MonitorRange)] { [("xen-32", xen32), ("xen-64", xen64), ("top", top64)] }

  private init(start: UInt64, length: UInt64) {
    first = VPN(start >> 12)
    count = length >> 12
    level = Self.level(start, length) ?? 2
  }

  /// One of the names, or `START+LENGTH`, both hexadecimal in bytes with or without 0x.
  init?(_ text: String) {
    if let known = Self.named.first(where: { $0.name == text }) {
      self = known.range
      return
    }
    let parts = text.split(separator: "+", omittingEmptySubsequences: false).map {
      UInt64($0.hasPrefix("0x") ? $0.dropFirst(2) : $0, radix: 16)
    }
    guard parts.count == 2, let start = parts[0], let length = parts[1] else { return nil }
    guard Self.level(start, length) != nil, VirtualAddress(start).isCanonical(levels: 5) else { return nil }
    self.init(start: start, length: length)
  }

  /// The level whose entries the range is made of, all in one table: 2 MiB, 1 GiB or 512 GiB each.
  private static func level(_ start: UInt64, _ length: UInt64) -> Int? {
    guard length > 0, start <= .max - (length - 1) else { return nil }
    return (2...4).last { level in
      let entry = UInt64(1) << UInt64(3 + 9 * level)
      let isAligned = (start | length) & (entry - 1) == 0
      return isAligned && start >> UInt64(12 + 9 * level) == (start + (length - 1)) >> UInt64(12 + 9 * level)
    }
  }

  func contains(_ address: VirtualAddress) -> Bool { address.raw >> 12 &- first.raw < count }

  /// The entries that the range is, or that lead to it, in a table of a level from ``level`` up.
  func indices(level: Int) -> ClosedRange<Int> {
    let last = first.advanced(by: count - 1).address
    return Int(first.address.tableIndex(level: level))...Int(last.tableIndex(level: level))
  }
}

extension Settings {
  /// The keys of the monitor.
  static let monitorKeys: [Key] = [
    .word(
      "cpu.technique", Technique.allCases.map(\.rawValue),
      "how the processor is virtualized: which operations enter the monitor, in which way and at what cost"
    ) { $0.monitor.technique = Technique.allCases[$1] },
    .word(
      "monitor.hiding", ["off", "address-space", "protection", "truncation"],
      "emulated-tlb, shadow: the monitor in its own address space, in a guarded range, or beyond truncated segments"
    ) { $0.monitor.hiding = [.off, .addressSpace, .protection, .truncation][$1] },
    .word(
      "monitor.tlb", ["untagged", "tagged"], "untagged: each way between the guest and its monitor flushes the TLB"
    ) { $0.monitor.hasTags = $1 == 1 },
    Key(
      name: "monitor.range", values: MonitorRange.named.map(\.name) + ["START+LENGTH"],
      summary: "virtual addresses that protection and truncation take from the guest",
      expectation:
        "xen-32, xen-64, top, or START+LENGTH in hexadecimal bytes: whole entries of one table, of 2 MiB or more"
    ) {
      guard let range = MonitorRange($1) else { return false }
      $0.monitor.range = range
      return true
    },
    .number(
      "emulated-tlb.capacity", 0, in: 0...100_000_000,
      "leaves that the emulated TLB holds at most, the oldest going first; 0: as many as it takes"
    ) { $0.emulatedTLBCapacity = $1 },
    .word(
      "emulated-tlb.tags", ["none", "pcid"], "the emulated TLB has one table for all PCIDs, or one for each"
    ) { $0.emulatedTLBHasTags = $1 == 1 },
  ]

  /// Why a machine cannot be virtualized so; nil if it can.
  public func problem(on machine: MachineDescription) -> String? {
    guard !machine.allSensitiveInstructionsTrap else { return nil }
    switch monitor.technique {
    case .trapAndEmulate:
      return "cpu.technique=trap-and-emulate on \(machine.name), which has sensitive instructions that do not trap "
        + "(popf, sgdt and others fail silently in user mode): expected binary-translation or paravirtual"
    case .hardwareAssisted:
      return "cpu.technique=hardware-assisted on \(machine.name), whose sensitive instructions do not all trap, "
        + "which VT-x or SVM would make them do: expected binary-translation or paravirtual"
    case .none, .binaryTranslation, .paravirtual: return nil
    }
  }
}
