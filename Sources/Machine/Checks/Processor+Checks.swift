internal import Paging

extension Processor where MMU: ~Copyable {
  /// Has a TLB hit judged by the oracle.
  mutating func explain(_ frame: MPN, _ page: VPN, _ access: Access) {
    let address = page.address
    var candidates = machine.pages(of: frame)
    // A frame that a domain has got without a page for it stands for itself.
    if candidates.isEmpty { candidates = [MMU.takesHypercalls ? PPN(frame.raw) : PPN(.max)] }
    let root = root
    var controls = cpus.running.guestControls
    controls.isKernelUnprivileged = cpus.running.hardwareControls.isKernelUnprivileged
    var verdict: StalenessOracle.Verdict?
    // One of the pages that share a frame is enough.
    for page in candidates {
      verdict = oracle?.judge(
        address, access, gave: page, root, controls, cpus.running.index)
      if verdict != .illegal { break }
    }
    let found = candidates[0]
    switch verdict {
    case .stale: machine.counters.staleHits += 1
    case .illegal:
      machine.diverge(
        expected: "\(access.description) at \(address.hexadecimal) as the guest's tables since its last flush say",
        found: "a TLB hit that gives physical page \(String(found.raw, radix: 16))")
    case .current, nil: break
    }
  }

  /// Where the running CPU's translations begin, for the oracle.
  var root: PagingRoot {
    let (registers, pointers) = (cpus.running.registers, cpus.running.guestPointers)
    let isLoaded = registers.mode == .pae && !machine.readsPointersInWalks
    let table = registers.mode == .pae ? registers.pointerTable.raw : registers.root.address.raw
    return PagingRoot(
      table: table, pcid: registers.pcid, mode: registers.mode,
      pointers: isLoaded ? pointers.indices.map { pointers[$0] } : [])
  }

  /// Holds the backend's tables against its invariants, if anything has happened to them since the last time.
  mutating func checkInvariants() {
    if oracle != nil, let violation = machine.violatedDevices() {
      machine.diverge(expected: "devices to reach what they may, and nothing else", found: violation)
    }
    let counters = machine.counters
    let changes = counters.guestTableStores + counters.guestCR3Loads + counters.guestInvlpgs + counters.exits
    guard oracle != nil, hasStarted, changes != checkedChanges else { return }
    checkedChanges = changes
    if let violation = backend.violatedInvariant(cpus.running, &machine) {
      machine.diverge(expected: "the invariants of the mode to hold", found: violation)
    }
    if let violation = violatedKernelInvariant() {
      machine.diverge(expected: "the kernel's books to agree with its tables", found: violation)
    }
  }

  /// Holds the guest's tables, as the machine has them now, against what the guest stored in them: all but A and D, which
  /// the machine sets too.
  mutating func checkTables() {
    guard let oracle else { return }
    let flags = EntryFlags.accessed.union(.dirty).rawValue
    let recorded = hasHadNarrowTables ? flags | flags << 32 : flags
    for (address, value) in guestTables() {
      let expected = oracle.word(at: PhysicalAddress(address))
      if (value ^ expected) & ~recorded != 0 {
        machine.diverge(
          expected: "the guest's entry at \(String(address, radix: 16)) to be \(String(expected, radix: 16))",
          found: String(value, radix: 16))
      }
    }
  }

  /// Each word of the pages that are tables at present, by physical address, in the guest's own terms.
  mutating func guestTables() -> [UInt64: UInt64] {
    var tables: [UInt64: UInt64] = [:]
    for page in machine.tableLevels.keys.sorted(by: { $0.raw < $1.raw }) {
      for index in 0..<512 {
        let address = page.address.raw + UInt64(index) * 8
        tables[address] = backend.guestEntry(at: PhysicalAddress(address), &machine)
      }
    }
    return tables
  }
}
