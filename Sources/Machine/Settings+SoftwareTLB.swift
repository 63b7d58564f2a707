internal import Paging

extension Settings {
  /// The keys of machines whose TLB software fills.
  static let softwareTLBKeys: [Key] = [
    .number(
      "software-tlb.reserved", 8, in: 0...1024,
      "entries of a software-managed TLB that the hypervisor keeps for itself; the guest has one at least"
    ) { $0.reservedTLBEntries = $1 },
    .number(
      "software-tlb.virtual", 0, in: 0...65_536,
      "entries of the guest's virtual TLB where the machine has fewer: a second-level software TLB (Disco)"
    ) { $0.virtualTLBEntries = $1 },
  ]

  /// Why a machine without a page-table walker cannot be used so; nil if it can, or has one.
  func problem(_ machine: MachineDescription, _ mode: Mode, isProcessTrace: Bool) -> String? {
    guard machine.softwareTLB != nil else { return nil }
    let name = "\(machine.name) has a TLB that software fills: "
    switch mode {
    case .native, .emulatedTLB: break
    case .shadow: return name + "no page tables of the architecture's to shadow; expected mode native or emulated-tlb"
    case .nested: return name + "no walker for nested tables; expected mode native or emulated-tlb"
    case .direct: return name + "no walker for the guest's tables; expected mode native or emulated-tlb"
    }
    if !isProcessTrace { return name + "no use for this trace's x86 page tables; expected a process trace" }
    if guest.hasLargePages { return name + "4 KiB pages alone; expected guest.large-pages=off" }
    if guest.directMap != nil { return name + "its kernel's memory is not mapped; expected guest.direct-map=none" }
    return nil
  }
}
