/// One way of virtualizing the memory-management unit.
public enum Mode: String, CaseIterable, Sendable {
  /// No hypervisor: the hardware walks the guest's own tables.
  case native
  /// One shadow table a virtual CPU, used as a very large TLB: filled on hidden faults, emptied at each guest flush.
  case emulatedTLB = "emulated-tlb"
  /// Shadow page tables kept across CR3 loads, held right by write traces on the guest's tables.
  case shadow
  /// A two-dimensional hardware walk over the guest's tables and a nested table.
  case nested
  /// Xen's direct paging: the guest's tables hold machine frames and change by validated hypercalls.
  case direct

  /// One line for people.
  public var summary: String {
    switch self {
    case .native: "no hypervisor: the hardware walks the guest's own page tables"
    case .emulatedTLB: "one shadow table a CPU as a huge TLB: filled on hidden faults, emptied at each guest flush"
    case .shadow: "shadow page tables kept across CR3 loads, held right by write traces on the guest's tables"
    case .nested: "two-dimensional hardware walk over the guest's tables and a nested table"
    case .direct: "Xen's direct paging: the guest's tables hold machine frames, changed by validated hypercalls"
    }
  }
}
