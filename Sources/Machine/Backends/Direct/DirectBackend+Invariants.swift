internal import Paging

extension DirectBackend {
  /// Recounts every reference from the validated tables, and holds the sums against what Xen has counted; no processor
  /// may hold a writable translation to a table.
  borrowing func violatedInvariant(_ cpu: borrowing VirtualCPU, _ machine: inout MachineState) -> String? {
    var recount = Recount()
    for frame in frames.known where frames[frame].isValidated {
      guard let level = frames[frame].kind.level else { continue }
      for index in 0..<512 {
        let entry = PageTableEntry<MachineSpace>(machine.memory.read(frame.entryAddress(index: index)))
        guard entry.isPresent, level > 1 || frames.isOwned(entry.frame, machine) else { continue }
        recount.add(entry.frame, kind: level > 1 ? Frame.Kind(level: level - 1) : entry.isWritable ? .writable : nil)
      }
    }
    for frame in frames.known where frames[frame].isPinned { recount.add(frame, kind: frames[frame].kind) }
    for base in bases.values { recount.add(base, kind: .l4) }
    for frame in frames.known {
      if let problem = problem(of: frames[frame], recount.sums[frame.raw] ?? Recount.Sum()) {
        return "machine frame \(String(frame.raw, radix: 16)): \(problem)"
      }
    }
    return staleWriteRight(cpu)
  }

  private borrowing func problem(of frame: Frame, _ sum: Recount.Sum) -> String? {
    let kinds = (0...UInt8(8)).filter { sum.kinds >> $0 & 1 != 0 }.compactMap { Frame.Kind(rawValue: $0) }
    if kinds.count > 1 { return "used as \(kinds) at once" }
    if let kind = kinds.first, kind != frame.kind { return "of type \(frame.kind), used as \(kind)" }
    if sum.typed != frame.typeCount { return "type count \(frame.typeCount), recounted \(sum.typed)" }
    if sum.total != frame.totalCount { return "total count \(frame.totalCount), recounted \(sum.total)" }
    if frame.isTable && !frame.isValidated { return "a table in use that is not validated" }
    if frame.isPinned && frame.typeCount == 0 { return "pinned without a type reference" }
    return nil
  }

  private borrowing func staleWriteRight(_ cpu: borrowing VirtualCPU) -> String? {
    for entry in cpu.fetches.entries() + cpu.data.entries() + cpu.second.entries() {
      let frame = TLBData.frame(entry.data)
      if entry.data & TLBData.stores != 0 && entry.data & TLBData.allowed != 0 && frames[frame].isTable {
        return "the TLB lets stores reach the table in machine frame \(String(frame.raw, radix: 16))"
      }
    }
    return nil
  }

  /// References by frame, as the tables have them.
  private struct Recount: ~Copyable {
    struct Sum: BitwiseCopyable {
      var typed: UInt32 = 0
      var total: UInt32 = 0
      /// A bit for each ``Frame/Kind``.
      var kinds: UInt8 = 0
    }

    var sums = PageMap<Sum>()

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
  }
}
