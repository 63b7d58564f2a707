internal import Paging

extension Xen {
  /// Recounts every reference from the validated tables, pins and base tables, and holds the sums against what the frame
  /// table has counted along the way. Returns what does not agree, nil if all does.
  borrowing func violatedInvariant(_ machine: borrowing MachineState) -> String? {
    var recount = Recount()
    for frame in frames.known {
      let state = frames[frame]
      guard let level = state.kind.level else { continue }
      if state.isPinned { recount.add(frame, kind: state.kind) }
      let entries = state.isValidated ? 512 : state.isPartial ? Int(state.acceptedEntries) : 0
      if detached.role(of: frame) == nil, let problem = frames.violatedAdjustment(frame, level: level, entries, machine)
      {
        return problem
      }
      for index in 0..<entries where !frames.isXenSlot(index, level: level) {
        if let problem = recount.add(entry(frame, index, machine), of: frame, level, self, machine) { return problem }
      }
      if state.holdsPartialTable {
        recount.add(entry(frame, entries, machine).frame, kind: Frame.Kind(level: level - 1))
      }
    }
    for domain in domains.values {
      for base in Array(domain.bases.values) + Array(domain.userBases.values) {
        if !frames[base].isValidated { return "base table \(base.hexadecimal) is not validated" }
        recount.add(base, kind: .l4)
      }
    }
    if let frame = frames.interrupted { recount.add(frame, kind: frames[frame].kind) }
    recountGrants(&recount)
    if let problem = violatedGrant(recount.foreign) { return problem }
    for frame in frames.known {
      if let problem = problem(of: frame, recount.sums[frame.raw] ?? Recount.Sum(), machine) {
        return "machine frame \(frame.hexadecimal): \(problem)"
      }
    }
    return violatedReservation(machine) ?? violatedDevices(machine)
  }

  private func entry(
    _ frame: MPN, _ index: Int, _ machine: borrowing MachineState
  ) -> PageTableEntry<MachineSpace> {
    let place = frame.entryAddress(index: index)
    let word = machine.memory.read(place)
    return PageTableEntry(detached.isEmpty ? word : detached.validated(word, at: place))
  }

  /// Frames that Xen shares, and those that devices may reach by a grant; what processors reach is in their tables.
  private borrowing func recountGrants(_ recount: inout Recount) {
    for table in grantTables.values {
      for frame in table.frames + table.statusFrames { recount.add(frame, kind: .writable) }
      for active in table.active.values {
        for _ in 0..<active.deviceReads { recount.add(active.frame, kind: nil) }
        for _ in 0..<active.deviceWrites { recount.add(active.frame, kind: .writable) }
      }
    }
  }

  private borrowing func problem(
    of number: MPN, _ sum: Recount.Sum, _ machine: borrowing MachineState
  ) -> String? {
    let frame = frames[number]
    let kinds = (0...UInt8(8)).filter { sum.kinds >> $0 & 1 != 0 }.compactMap { Frame.Kind(rawValue: $0) }
    if kinds.count > 1 { return "used as \(kinds) at once" }
    if let kind = kinds.first, kind != frame.kind { return "of type \(frame.kind), used as \(kind)" }
    if sum.typed != frame.typeCount { return "type count \(frame.typeCount), recounted \(sum.typed)" }
    if sum.total != frame.totalCount { return "total count \(frame.totalCount), recounted \(sum.total)" }
    if frame.isTable && !frame.isValidated && !frame.isPartial { return "a table in use that is not validated" }
    if frame.isPinned && (frame.typeCount == 0 || frame.kind.level == nil) { return "pinned without a type reference" }
    if frame.isReleased && frame.totalCount == 0 { return "given back, held by nobody, and not free" }
    if frames.owner(of: number, machine) == nil && !frame.isUnused { return "nobody's, with references" }
    return nil
  }

  /// The frames of each domain add up to its reservation, and are no more than it may have.
  private borrowing func violatedReservation(_ machine: borrowing MachineState) -> String? {
    var gained: [DomainID: Int] = [:]
    for frame in frames.known {
      let before = frames.builder(of: frame, machine)
      let now = frames[frame].owner.isShared ? nil : frames.owner(of: frame, machine)
      if let before, before != now { gained[before, default: 0] -= 1 }
      if let now, before != now { gained[now, default: 0] += 1 }
    }
    for (domain, count) in frames.gained where gained[domain, default: 0] != count {
      return "domain \(domain.raw) has gained \(gained[domain, default: 0]) frames, of which \(count) are booked"
    }
    for domain in domains.keys where domains[domain]?.maximum != nil {
      if frames.pages(of: domain, machine) > maximum(of: domain, machine) {
        return "domain \(domain.raw) has more frames than it may"
      }
    }
    return nil
  }

  /// References by frame, as the tables have them.
  struct Recount: ~Copyable {
    struct Sum: BitwiseCopyable {
      var typed: UInt32 = 0
      var total: UInt32 = 0
      /// A bit for each ``Frame/Kind``.
      var kinds: UInt8 = 0
    }

    var sums = PageMap<Sum>()
    /// Entries that lead to another domain's frame.
    var foreign: [ForeignUse: Int] = [:]

    /// Adds a reference; of a kind, if it relies on the frame's type.
    mutating func add(_ frame: MPN, kind: Frame.Kind?) {
      var sum = sums[frame.raw] ?? Sum()
      sum.total += 1
      if let kind {
        sum.typed += 1
        sum.kinds |= 1 << kind.rawValue
      }
      sums.set(frame.raw, sum)
    }

    /// Adds what an entry of a table refers to: what is of the same owner, memory of a device, or, at level 1, granted.
    mutating func add(
      _ entry: PageTableEntry<MachineSpace>, of table: MPN, _ level: Int, _ xen: borrowing Xen,
      _ machine: borrowing MachineState
    ) -> String? {
      guard entry.isPresent else { return nil }
      if level == 1 && xen.frames.isDevice(entry.frame, machine) { return nil }
      let owner = xen.frames.owner(of: table, machine)
      if owner == nil || xen.frames.owner(of: entry.frame, machine) != owner {
        if level == 1, let owner {
          foreign[ForeignUse(domain: owner, frame: entry.frame, writes: entry.isWritable), default: 0] += 1
          add(entry.frame, kind: entry.isWritable ? .writable : nil)
          return nil
        }
        return "machine frame \(table.hexadecimal): an entry leads to \(entry.frame.hexadecimal), which is another's"
      }
      if level > 1 && !xen.frames[entry.frame].isValidated && !xen.frames[entry.frame].isPartial {
        return "machine frame \(table.hexadecimal): an entry leads to a table that is not validated"
      }
      add(entry.frame, kind: level > 1 ? Frame.Kind(level: level - 1) : entry.isWritable ? .writable : nil)
      return nil
    }
  }
}

extension FrameTable {
  /// Xen's own slots are as Xen has them, and every other entry as Xen would leave it.
  fileprivate func violatedAdjustment(
    _ frame: MPN, level: Int, _ entries: Int, _ machine: borrowing MachineState
  ) -> String? {
    guard adjustsEntries else { return nil }
    for index in 0..<entries {
      let entry = entry(frame, index, machine)
      if isXenSlot(index, level: level) {
        if entry.raw != 0 { return "machine frame \(frame.hexadecimal): Xen's slot \(index) is the guest's" }
      } else if adjusted(entry, level: level) != entry {
        return "machine frame \(frame.hexadecimal): entry \(index) is not as Xen would leave it"
      }
    }
    return nil
  }
}

extension MPN {
  fileprivate var hexadecimal: String { String(raw, radix: 16) }
}
