internal import Paging

/// The two dimensions of a walk.
public enum WalkDimension: Hashable, Sendable {
  /// The tables that a virtual address goes through: the guest's own, or under shadow paging the hypervisor's.
  case guest
  /// The nested table, which a physical address goes through.
  case nested
}

/// The walker's references to page-table entries: each is counted, paid for and, if somebody asks, told.
extension MachineState {
  @inline(__always)
  mutating func readEntry(at address: MachineAddress, level: Int, _ dimension: WalkDimension) -> UInt64 {
    counters.walkReferences += 1
    let cycles = walkCache.cycles(of: address)
    switch dimension {
    case .guest:
      counters.referencesByLevel.increment(level)
      counters.cycles.walk += cycles
    case .nested:
      counters.nestedReferencesByLevel.increment(level)
      counters.cycles.nestedWalk += cycles
    }
    let value = memory.read(address)
    if notes != nil { notes?.read(dimension, level, address, value) }
    return value
  }

  /// A reference to an entry of 4 bytes.
  mutating func readNarrowEntry(at address: MachineAddress, level: Int) -> UInt64 {
    counters.walkReferences += 1
    counters.cycles.walk += walkCache.cycles(of: address)
    counters.referencesByLevel.increment(level)
    let value = memory.readNarrow(address)
    notes?.read(.guest, level, address, value)
    return value
  }

  /// A reference to an entry of the guest's tables, in a walk of two dimensions.
  @inline(__always) mutating func readGuestEntry(at address: MachineAddress, level: Int) -> UInt64 {
    counters.walkReferencesGuest += 1
    return readEntry(at: address, level: level, .guest)
  }

  @inline(__always) mutating func readNestedEntry(at address: MachineAddress, level: Int) -> UInt64 {
    counters.walkReferencesNested += 1
    return readEntry(at: address, level: level, .nested)
  }

  /// Where the paging-structure caches let a walk begin.
  @inline(__always) mutating func startOfWalk(_ address: VirtualAddress, _ cpu: inout VirtualCPU) -> WalkStart? {
    guard let start = cpu.structures.start(address, context: cpu.context) else { return nil }
    counters.structureCacheHits += 1
    if notes != nil { notes?.hit(.structures, nextLevel: start.level, start.table) }
    return start
  }
}
