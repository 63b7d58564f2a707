internal import Paging

/// `GNTTABOP_copy`: Xen copies for a domain between frames of its own and granted ones.
extension Xen {
  mutating func copy(
    _ copy: GrantCall.Copy, from domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> HypercallResult {
    do throws(GrantStatus) {
      guard copy.source.offset + copy.length <= 4096, copy.destination.offset + copy.length <= 4096 else {
        throw .badCopyArgument
      }
      let source = try acquire(copy.source, writes: false, for: domain, &machine)
      defer { release(copy.source, writes: false, &machine) }
      let destination = try acquire(copy.destination, writes: true, for: domain, &machine)
      defer { release(copy.destination, writes: true, &machine) }
      try write(copy, from: source, to: destination, &cpu, &machine)
    } catch {
      return HypercallResult(error.rawValue)
    }
    machine.counters.grantCopies += 1
    return HypercallResult()
  }

  /// The frame of one side; an entry is in use until the copy is made.
  private mutating func acquire(
    _ operand: GrantCall.Copy.Operand, writes: Bool, for domain: DomainID, _ machine: inout MachineState
  ) throws(GrantStatus) -> MPN {
    switch operand {
    case .own(let address):
      guard frames.isOwned(address.page, by: domain, machine) else { throw .badPage }
      return address.page
    case .grant(let granter, let reference, _):
      guard domains[granter] != nil else { throw .badDomain }
      return try use(
        reference, of: granter, isReadOnly: !writes, kinds: writes ? .host : [.host, .readOnly], for: domain,
        mapping: false, &machine)
    }
  }

  private mutating func release(
    _ operand: GrantCall.Copy.Operand, writes: Bool, _ machine: inout MachineState
  ) {
    guard case .grant(let granter, let reference, _) = operand else { return }
    endUse(reference, of: granter, writes ? .host : [.host, .readOnly], &machine)
  }

  /// The destination has the writable type while it is written to, so it is no table.
  private mutating func write(
    _ copy: GrantCall.Copy, from source: MPN, to destination: MPN, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) throws(GrantStatus) {
    guard let owner = frames.owner(of: destination, machine), frames.owner(of: source, machine) != nil else {
      throw .badPage
    }
    do throws(XenError) {
      try frames.get(destination, as: .writable, for: owner, &cpu, &machine)
    } catch {
      throw .generalError
    }
    var bytes: [UInt64] = []
    for offset in copy.source.offset..<copy.source.offset + copy.length {
      bytes.append(machine.memory.read(MachineAddress(source.address.raw | offset)) >> ((offset & 7) * 8) & 0xff)
    }
    for (index, byte) in bytes.enumerated() {
      let offset = copy.destination.offset + UInt64(index)
      let place = MachineAddress(destination.address.raw | offset & ~7)
      let shift = (offset & 7) * 8
      machine.memory.write(place, machine.memory.read(place) & ~(0xff << shift) | byte << shift)
    }
    if copy.length == 4096, let held = machine.contents?[source] { machine.contents?[destination] = held }
    frames.put(destination, &machine)
  }
}

extension GrantCall.Copy.Operand {
  /// Where in its page it begins.
  fileprivate var offset: UInt64 {
    switch self {
    case .own(let address): address.offset
    case .grant(_, _, let offset): offset
    }
  }
}
