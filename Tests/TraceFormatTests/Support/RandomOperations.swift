import Foundation
import Paging

/// Sebastiano Vigna's SplitMix64.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// The seeds of a random test: the one of the environment variable `MEMLAB_SEED`, or the given number of fixed ones.
  static func seeds(_ count: UInt64) -> [UInt64] {
    if let seed = ProcessInfo.processInfo.environment["MEMLAB_SEED"].flatMap(UInt64.init) { return [seed] }
    return Array(1...count)
  }
}

extension SplitMix64 {
  /// Operations of all kinds with addresses near to and far from each other; every one of them is valid.
  mutating func operations(_ count: Int) -> [FlatOperation] {
    var near = (0..<4).map { _ in next() }
    return (0..<count).map { _ in
      let kinds = Operation.Kind.allCases
      let kind = chance(3) ? kinds[index(kinds.count)] : kinds[index(3)]
      return operation(kind, address(&near))
    }
  }

  private mutating func index(_ count: Int) -> Int { Int(next() % UInt64(count)) }
  private mutating func chance(_ count: UInt64) -> Bool { next() % count == 0 }
  /// A number of any length in bits.
  private mutating func number() -> UInt64 { next() >> (next() % 64) }

  private mutating func address(_ near: inout [UInt64]) -> UInt64 {
    if chance(20) { near[index(near.count)] = next() }
    let slot = index(near.count)
    near[slot] &+= (next() >> (30 + next() % 34)) &- 64
    return near[slot]
  }

  private mutating func operation(_ kind: Operation.Kind, _ address: UInt64) -> FlatOperation {
    let flags: Operation.Flags = chance(2) ? .user : []
    let payload: Operation.Flags = chance(2) ? .hasPayload : []
    switch kind {
    case .load, .store:
      let size = chance(8) ? UInt16(1 + next() % 65_535) : 1 << UInt16(next() % 4)
      return FlatOperation(Operation(kind, address, size: size, flags: flags))
    case .fetch:
      let size = UInt16(truncatingIfNeeded: chance(8) ? next() : next() % 20)
      return FlatOperation(Operation(kind, address, size: size, flags: flags))
    case .tableStore:
      let size = payload.isEmpty ? 8 : UInt16(truncatingIfNeeded: next() % 12)
      return FlatOperation(
        Operation(kind, address, size: size, flags: flags.union(payload)),
        payload.isEmpty ? [number()] : [number(), next()])
    case .table: return table(address & ~0xfff)
    case .fault:
      return FlatOperation(
        Operation(kind, address, flags: flags.union(payload)), payload.isEmpty ? [number()] : [number(), next()])
    case .interrupt:
      return FlatOperation(
        Operation(kind, size: UInt16(next() % 256), flags: flags.union(payload)),
        payload.isEmpty ? [] : [number(), next()])
    default: return plainOperation(kind, address)
    }
  }

  private mutating func plainOperation(_ kind: Operation.Kind, _ address: UInt64) -> FlatOperation {
    switch kind {
    case .mark: FlatOperation(Operation(kind))
    case .hypercall:
      FlatOperation(Operation(kind), string: ["mmu_update 1000 5", "flush", "näme a=b @ 7", "x"][index(4)])
    case .tableGone: FlatOperation(Operation(kind, address & ~0xfff, size: UInt16(1 + next() % 5)))
    case .cpu, .vm: FlatOperation(Operation(kind, next() % 1024))
    case .ram: FlatOperation(Operation(kind, number() | 1))
    case .invpcid: FlatOperation(Operation(kind, address, size: UInt16(next() % 4)), [number()])
    case .protect: FlatOperation(Operation(kind, address, size: UInt16(next() % 8)), [number()])
    case .map:
      chance(2)
        ? FlatOperation(Operation(kind, address, size: UInt16(next() % 32)), [number()])
        : FlatOperation(
          Operation(kind, address, size: UInt16(next() % 32), flags: .hasPayload), [number(), number(), number()])
    case .remap: FlatOperation(Operation(kind, address), [number(), next(), number()])
    case .folded: FlatOperation(Operation(kind), [number(), next(), number()])
    case .dma: FlatOperation(Operation(kind, address, size: UInt16(next() % 2)), [number()])
    case .fork, .unmap, .discard, .content: FlatOperation(Operation(kind, address), [number()])
    default: FlatOperation(Operation(kind, address))
    }
  }

  private mutating func table(_ address: UInt64) -> FlatOperation {
    var bitmap = (0..<8).map { _ in chance(3) ? next() & next() : 0 }
    if chance(4) { bitmap = Array(repeating: chance(2) ? 0 : .max, count: 8) }
    let entries = bitmap.reduce(0) { $0 + $1.nonzeroBitCount }
    let words = bitmap + (0..<entries).map { _ in number() | 1 }
    // One in seven of each of the two kinds with narrow entries; no word is 0, so every text form reads back.
    let levels: [UInt16] = [1, 2, 3, 4, 5, 1 | Operation.narrowEntries, 2 | Operation.narrowEntries]
    return FlatOperation(Operation(.table, address, size: levels[index(levels.count)]), words)
  }
}
