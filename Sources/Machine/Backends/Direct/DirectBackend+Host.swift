internal import Paging

/// A domain on a host that other machines share: nobody can take a frame from it, because it knows their numbers. It has all of
/// its memory from the start; what its balloon driver gives back is the host's, and so is what it asks for again.
extension DirectBackend {
  static func hostProblem(_ settings: Settings) -> String? { nil }

  mutating func build(_ machine: inout MachineState) {
    guard let number = machine.hosted?.number else { return }
    for page in 0..<machine.ramPages {
      let frame = machine.host.allocate(PPN(page), of: number)
      machine.memory.clear(frame)
      machine.contents?[frame] = 0
      machine.physmap.build(frame, behind: PPN(page))
      xen.frames.build(frame, for: machine.domain)
    }
    machine.noteHosted()
  }

  /// Tables of the port's for what has been announced, and those of the IOMMU's that a change may need.
  var furtherFrames: Int { port.announcedParts + xen.frames.deviceTables }

  borrowing func violatedHostInvariant(_ machine: borrowing MachineState) -> String? {
    guard let number = machine.hosted?.number else { return nil }
    let free = Set(xen.frames.heap)
    for frame in machine.host.resident[number] where !free.contains(frame) {
      if xen.frames.owner(of: frame, machine) == nil { return "frame \(frame.raw) is the host's gift to no domain" }
    }
    for frame in xen.frames.known where machine.host.isAnothers(frame, than: number) {
      if xen.frames.owner(of: frame, machine) != nil { return "frame \(frame.raw) is a domain's and another machine's" }
    }
    for page in 0..<machine.ramPages {
      guard let frame = machine.physmap.known(PPN(page)), !machine.host.isOwned(frame, by: number) else { continue }
      return "page \(page) has frame \(frame.raw), which the host has not given"
    }
    return nil
  }
}

extension FrameTable {
  /// A frame is a domain's from the start.
  mutating func build(_ frame: MPN, for domain: DomainID) {
    change(frame) { $0.owner = .domain(domain) }
    gained[domain, default: 0] += 1
  }

  /// On a host: what is free goes back to it, once nobody can have it in a TLB any more.
  mutating func returnFrames(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard isOnHost, !heap.isEmpty else { return }
    for frame in heap {
      let last = self[frame]
      flush(last.former, since: last.droppedAt, &cpu, &machine)
      set(frame, Frame())
      machine.host.free(frame)
    }
    heap = []
    machine.noteHosted()
  }
}

extension Port {
  /// Tables that the large pages of a table fall into, which Xen refuses, and the processes' base table beside it.
  static func parts(of words: [UInt64], level: Int) -> Int {
    if level == 4 { return 1 }
    guard level == 2 || level == 3 else { return 0 }
    let large = words.count { PageTableEntry<PhysicalSpace>($0).isPresent && $0 & EntryFlags.pageSize.rawValue != 0 }
    return level == 2 ? large : large * 513
  }
}
