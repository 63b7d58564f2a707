internal import Paging

/// `mmuext_op`: pins, base tables, flushes, and pages that Xen fills.
extension Xen {
  /// The operations, by the numbers and names of public/xen.h.
  static let extendedNames: [String: Int] = [
    "pin_l1_table": 0, "pin_l2_table": 1, "pin_l3_table": 2, "pin_l4_table": 3, "unpin_table": 4, "new_baseptr": 5,
    "tlb_flush_local": 6, "invlpg_local": 7, "tlb_flush_multi": 8, "invlpg_multi": 9, "tlb_flush_all": 10,
    "invlpg_all": 11, "flush_cache": 12, "set_ldt": 13, "new_user_baseptr": 15, "clear_page": 16, "copy_page": 17,
    "flush_cache_global": 18, "mark_super": 19, "unmark_super": 20,
  ]

  /// Stops at the first operation that fails; those before stay.
  mutating func extended(
    _ calls: [Hypercall.MMUExtendedCall], pages: DomainID, from domain: DomainID, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) -> HypercallResult {
    var result = HypercallResult()
    var done = 0
    do throws(XenError) {
      if pages != .oneself {
        guard domains[pages] != nil, pages != domain else { throw .noSuchDomain }
        throw .notPermitted
      }
      for call in calls {
        try extended(call, from: domain, &cpu, &machine)
        done += 1
      }
    } catch {
      result = HypercallResult(error)
    }
    if calls.count > 1 { result.done = done }
    return result
  }

  private mutating func extended(
    _ call: Hypercall.MMUExtendedCall, from domain: DomainID, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) throws(XenError) {
    let frame = MPN(call.first >> 12)
    switch call.number {
    case 0...3: try pin(frame, level: call.number + 1, for: domain, &cpu, &machine)
    case 4: try frames.unpin(frame, for: domain, &machine)
    case 5:
      try loadBase(frame, for: domain, &cpu, &machine)
      if domain == machine.domain { if frames.adjustsEntries { cpu.flushAll() } else { cpu.flush(pcid: 0) } }
    case 6: cpu.flushAll()
    // A bad address is ignored.
    case 7: if VirtualAddress(call.first).isCanonical(levels: 4) { cpu.invalidate(VirtualAddress(call.first).page) }
    case 8...11: machine.flushAllCPUs(&cpu)
    // Caches have no state here; the domain may flush them, having devices.
    case 12, 18: guard domain == machine.domain else { throw .noAccess }
    case 15:
      // A kernel in ring 1 shares its base table with its processes.
      guard frames.adjustsEntries else { throw .notImplemented }
      try loadUserBase(call.first == 0 ? nil : frame, for: domain, &cpu, &machine)
    case 16: try fill(frame, from: nil, for: domain, &cpu, &machine)
    case 17: try fill(frame, from: MPN(call.second >> 12), for: domain, &cpu, &machine)
    case 19, 20: throw .notSupported
    default: throw .notImplemented
    }
  }

  mutating func pin(
    _ frame: MPN, level: Int, for domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    try continuing { (frames: inout FrameTable) throws(XenError) in
      try frames.pin(frame, level: level, for: domain, &cpu, &machine)
    }
  }

  /// `MMUEXT_NEW_BASEPTR`: the new table gets its type, then the old one loses a use.
  mutating func loadBase(
    _ frame: MPN, for domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    let index = cpu.index
    let old = domains[domain]?.bases[index]
    if old != frame {
      try continuing { (frames: inout FrameTable) throws(XenError) in
        try frames.get(frame, as: .l4, for: domain, &cpu, &machine)
      }
      domains[domain]?.bases[index] = frame
      if let old { frames.put(old, &machine) }
    }
    if domain == machine.domain { cpu.root = frame }
  }

  /// `MMUEXT_NEW_USER_BASEPTR`: the table that user mode uses from the next change of mode on; nil: there is none.
  mutating func loadUserBase(
    _ frame: MPN?, for domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) throws(XenError) {
    let index = cpu.index
    let old = domains[domain]?.userBases[index]
    if old == frame { return }
    if let frame {
      try continuing { (frames: inout FrameTable) throws(XenError) in
        try frames.get(frame, as: .l4, for: domain, &cpu, &machine)
      }
    }
    domains[domain]?.userBases[index] = frame
    if let old { frames.put(old, &machine) }
  }

  /// `MMUEXT_CLEAR_PAGE` and `MMUEXT_COPY_PAGE`: only what may be written to, so no page table.
  private mutating func fill(
    _ frame: MPN, from source: MPN?, for domain: DomainID, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) throws(XenError) {
    if let source { guard frames.isOwned(source, by: domain, machine) else { throw .invalid } }
    try frames.get(frame, as: .writable, for: domain, &cpu, &machine)
    for index in 0..<512 {
      let word = source.map { machine.memory.read($0.entryAddress(index: index)) } ?? 0
      let place = frame.entryAddress(index: index)
      changed.append(Change(place: place, old: machine.memory.read(place), new: word))
      machine.memory.write(place, word)
    }
    frames.put(frame, &machine)
  }
}
