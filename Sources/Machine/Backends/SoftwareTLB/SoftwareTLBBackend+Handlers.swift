internal import Paging

/// The handlers of the TLB's exceptions: the kernel's, and the hypervisor's before it.
extension SoftwareTLBBackend {
  /// The hypervisor knows what the processor's TLB has lost: it writes the entry and returns, and the guest never hears.
  mutating func refillHidden(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    let code = PageFaultCode(access, under: cpu.guestControls)
    let fault = HardwareFault(address: address, access: access, code: code)
    machine.counters.hiddenRefills += 1
    machine.count(.fill, fault, nil, cost: machine.description.costs.fill, cpu.index)
    copy(address.page.raw, &cpu, &machine)
  }

  /// No entry matches: the exception with a vector of its own. The kernel's handler loads the entries, whatever they hold,
  /// and writes them with TLBWR (Linux, `build_r4000_tlb_refill_handler`).
  mutating func refill(_ page: UInt64, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    machine.counters.tlbRefills += 1
    machine.counters.cycles.walk += machine.description.costs.refill
    enterGuest(&machine)
    write(page, &cpu, &machine, isRefill: true)
  }

  /// An entry matches and refuses: not valid, or a store to one whose D is clear. By the general vector the kernel looks at
  /// its tables. If they allow the access, it notes A or D in them and writes the entry anew (Linux, `build_r4000_tlb_load`
  /// and `build_r4000_tlb_modify`); otherwise it is a page fault.
  mutating func raise(
    _ address: VirtualAddress, _ access: Access, isValid: Bool, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> HardwareFault? {
    if isValid { machine.counters.tlbModified += 1 } else { machine.counters.tlbInvalid += 1 }
    switch machine.walkGuest(address, access, cpu) {
    case .fault(let code):
      if virtual != nil { machine.countTrueFaultExit() }
      return HardwareFault(address: address, access: access, code: code)
    case .translated(var walk):
      machine.counters.cycles.walk += machine.description.costs.refill
      enterGuest(&machine)
      machine.setAccessed(&walk, address, for: access, cpu)
      write(address.page.raw, &cpu, &machine, isRefill: false)
      return nil
    }
  }

  /// An exception of the TLB's that is the guest's: a hypervisor hands it on.
  private func enterGuest(_ machine: inout MachineState) {
    if virtual != nil { machine.countTrueFaultExit() }
  }

  /// The kernel loads the entries of a page, or pair of pages, and writes them to the TLB: at random in a refill, otherwise
  /// over the entry that TLBP finds, if there is one (Linux, `__update_tlb`).
  mutating func write(
    _ page: UInt64, _ cpu: inout VirtualCPU, _ machine: inout MachineState, isRefill: Bool
  ) {
    guard let geometry = cpu.softwareTLB?.geometry else { return }
    let first = page - page % UInt64(geometry.pages)
    let words = load(first, geometry.pages, cpu, &machine)
    let context = cpu.context
    var index = isRefill ? nil : (virtual?.probe(page, context: context) ?? nativeProbe(page, cpu))
    if !isRefill {
      machine.counters.tlbProbes += 1
      trap("tlbp", page, cpu, &machine)
    }
    if index == nil {
      index = virtual != nil ? virtual?.randomIndex() : cpu.softwareTLB?.randomIndex()
      machine.counters.tlbRandomWrites += 1
    } else {
      machine.counters.tlbIndexedWrites += 1
    }
    trap("tlbw", page, cpu, &machine)
    guard let index else { return }
    cpu.forgetRecent()
    guard virtual != nil else {
      cpu.softwareTLB?.write(index, first, context: context, words)
      return
    }
    // What the guest has overwritten must not stay behind in the processor: no TLBP of the guest's would find it.
    if let old = virtual?.tag(index) { cpu.softwareTLB?.remove(old.page, context: old.context) }
    virtual?.write(index, first, context: context, words)
    copy(page, &cpu, &machine)
  }

  private func nativeProbe(_ page: UInt64, _ cpu: borrowing VirtualCPU) -> Int? {
    virtual == nil ? cpu.softwareTLB?.probe(page, context: cpu.context) : nil
  }

  /// Puts the virtual TLB's entry for a page into the processor's.
  private mutating func copy(_ page: UInt64, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard let source = virtual?.probe(page, context: cpu.context), let tag = virtual?.tag(source),
      let words = virtual?.pages(source)
    else { return }
    let onMachine = words.map { machine.onMachine($0) }
    let index = cpu.softwareTLB?.probe(page, context: cpu.context) ?? cpu.softwareTLB?.randomIndex()
    cpu.forgetRecent()
    if let index { cpu.softwareTLB?.write(index, tag.page, context: tag.context, onMachine) }
  }

  /// An instruction of coprocessor 0 that a kernel without its privilege traps by. What only reads or sets up registers
  /// (EntryHi, EntryLo, BadVAddr) it does in a page that it shares with the hypervisor, as Disco's guests do.
  private func trap(_ name: String, _ page: UInt64, _ cpu: borrowing VirtualCPU, _ machine: inout MachineState) {
    if virtual != nil { machine.countExit(\.exitOther, name, page << 12, cpu.index) }
  }

  /// The kernel's tables for some neighbouring pages, as a TLB has them; V is their A, D their D and W.
  private func load(
    _ first: UInt64, _ count: Int, _ cpu: borrowing VirtualCPU, _ machine: inout MachineState
  ) -> [UInt64] {
    let address = VirtualAddress(first << 12)
    var table = cpu.registers.root
    var rights = Rights.all
    for level in (2...cpu.registers.levels).reversed() {
      let entry = machine.loadForRefill(table.entryAddress(address, level: level))
      guard entry.isPresent else { return Array(repeating: 0, count: count) }
      rights = rights.combined(with: Rights(entry))
      table = entry.frame
    }
    return (0..<count).map { offset in
      let place = table.entryAddress(VirtualAddress((first + UInt64(offset)) << 12), level: 1)
      let entry = machine.loadForRefill(place)
      guard entry.isPresent, entry.isAccessed else { return 0 }
      let all = rights.combined(with: Rights(entry))
      let frame = virtual == nil ? machine.frame(of: entry.frame) : MPN(entry.frame.raw)
      let translation = Translation(
        frame: frame, size: .small, guestSize: .small, rights: all, isDirty: entry.isDirty, isGlobal: false)
      return TLBData.make(translation, allowed: cpu.allowedByRights[Int(all.raw & 7)])
    }
  }
}

extension MachineState {
  /// A load of the kernel's refill handler, from unmapped memory.
  fileprivate mutating func loadForRefill(_ place: PhysicalAddress) -> PageTableEntry<PhysicalSpace> {
    counters.refillReferences += 1
    let machineAddress = physmap.machine(place)
    counters.cycles.walk += walkCache.cycles(of: machineAddress)
    return PageTableEntry(memory.read(machineAddress))
  }
}
