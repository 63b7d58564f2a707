internal import Paging

/// A machine whose TLB the kernel fills, as on MIPS: no page table is the hardware's, so that what a hypervisor has to
/// virtualize is the TLB itself.
///
/// Natively the kernel writes the processor's TLB. Under a hypervisor (Disco: Bugnion et al., SOSP 1997, section 4.2) it
/// writes a virtual TLB, by instructions that trap; the hypervisor puts each entry, with the machine page in place of the
/// physical one, into the processor's, and refills that by itself as long as the virtual TLB knows the answer.
///
/// The kernel's own tables, of whatever layout, are ordinary memory. Its accesses to them are not translated: they go
/// through the unmapped segment.
struct SoftwareTLBBackend: Backend, ~Copyable {
  /// The TLB that the guest believes to have; nil natively, where it has the processor's.
  var virtual: SoftwareTLB?
  /// The kernel has handled a page fault of this page during this operation, and will write the TLB before it returns.
  private var mended: (operation: UInt64, page: UInt64)?

  init(_ machine: inout MachineState) {
    guard machine.mode != .native, var geometry = machine.description.softwareTLB else { return }
    // Entries beyond the architected ones: the hypervisor's second-level software TLB.
    geometry.entries = max(geometry.entries, machine.settings.virtualTLBEntries)
    virtual = SoftwareTLB(geometry, wired: geometry.wired, seed: SoftwareTLB.guestSeed)
  }

  mutating func start(_ cpu: inout VirtualCPU, _ machine: inout MachineState, isFirst: Bool) throws(ReplayError) {
    try checkLevels(cpu, machine)
    machine.notePeaks()
  }

  /// The kernel's tables are those that its x86 self would have: of long mode.
  private func checkLevels(_ cpu: borrowing VirtualCPU, _ machine: borrowing MachineState) throws(ReplayError) {
    guard cpu.registers.mode.levels < 4 else { return }
    throw ReplayError(
      operation: machine.operation,
      message: "a TLB that software fills with a guest outside of long mode, expected CR0.PG and EFER.LME set")
  }

  /// The processor's TLB has no entry that allows an access: its exceptions, until one of them goes to the kernel as a page
  /// fault or the TLB has what is needed.
  mutating func walk(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> WalkOutcome {
    let page = address.page.raw
    if let mended, mended == (machine.operation, page) { write(page, &cpu, &machine, isRefill: false) }
    mended = nil
    // A refill, an entry that is not valid, one that is not writable; under a hypervisor each may take two.
    for _ in 0..<8 {
      if let data = cpu.softwareTLB?.lookUp(page, context: cpu.context), data & access.bit != 0 {
        return .translated(TLBData.translation(data))
      }
      let known = (virtual ?? cpu.softwareTLB)?.lookUp(page, context: cpu.context)
      if virtual != nil, let known, known & access.bit != 0 {
        refillHidden(address, access, &cpu, &machine)
        continue
      }
      guard let known else {
        refill(page, &cpu, &machine)
        continue
      }
      if let fault = raise(address, access, isValid: known != 0, &cpu, &machine) { return .fault(fault) }
    }
    preconditionFailure("the refill of \(address.hexadecimal) never settles")
  }

  mutating func resolve(
    _ fault: HardwareFault, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Resolution {
    mended = (machine.operation, fault.address.page.raw)
    return .deliver(PageFault(address: fault.address, code: fault.code))
  }

  // MARK: What the kernel does to the TLB

  /// A new value of the ASID in EntryHi; without `keeps` its entries must not be used again, for which the kernel takes an
  /// ASID that is not in use (Linux, `drop_mmu_context`): the old entries lie idle until they are replaced, as cleared
  /// ones do.
  mutating func loadedCR3(keeps: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    if !keeps { virtual?.removeAll(context: cpu.context) }
    if virtual != nil { machine.countExit(\.exitCR3, "mtc0", cpu.context, cpu.index) }
  }

  mutating func loadedControls(
    _ old: ControlRegisters, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(ReplayError) {
    try checkLevels(cpu, machine)
  }

  /// Linux, `local_flush_tlb_page`: TLBP, and TLBWI of an entry that matches nothing if there is one.
  mutating func invalidated(_ address: VirtualAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    machine.counters.tlbProbes += 1
    virtual?.remove(address.page.raw, context: cpu.context)
    if virtual != nil { machine.countExit(\.exitInvlpg, "tlbp", address.raw, cpu.index) }
  }

  mutating func invalidated(
    _ operation: PCIDInvalidation, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {}

  // MARK: Invariants

  /// What the processor's TLB has, the virtual one has too, with the physical page that the machine page backs.
  borrowing func violatedInvariant(_ cpu: borrowing VirtualCPU, _ machine: inout MachineState) -> String? {
    guard let virtual, let hardware = cpu.softwareTLB else { return nil }
    for index in 0..<hardware.geometry.entries {
      guard let (first, context) = hardware.tag(index) else { continue }
      guard index >= hardware.wired else { return "entry \(index), which is the hypervisor's, is the guest's" }
      for (offset, data) in hardware.pages(index).enumerated() {
        let known = virtual.lookUp(first + UInt64(offset), context: context)
        if known.map({ machine.onMachine($0) }) != data {
          return "page \(first + UInt64(offset)) of ASID \(context): \(data), in the virtual TLB \(known ?? 0)"
        }
      }
    }
    return nil
  }
}

extension TLBData {
  /// The translation that an entry was made of.
  static func translation(_ data: UInt64) -> Translation {
    Translation(
      frame: frame(data), size: size(data), guestSize: guestSize(data), rights: rights(data),
      isDirty: data & dirty != 0, isGlobal: false)
  }
}

extension MachineState {
  /// An entry of the guest's with the machine page in place of the physical one.
  mutating func onMachine(_ data: UInt64) -> UInt64 {
    if data == 0 { return 0 }
    var translation = TLBData.translation(data)
    translation.frame = physmap.machine(PPN(translation.frame.raw))
    return TLBData.make(translation, allowed: data & TLBData.allowed)
  }
}
