import Paging

/// Programs that run in circles, as recordings have them: what copies of the binary form are for.
struct RandomProgram {
  private struct Data {
    var kind: Operation.Kind
    var size: UInt16
    var base: Int
    var offset: UInt64
  }

  private struct Block {
    var fetch: Operation
    var data: [Data]
  }

  private var random: SplitMix64
  private var blocks: [Block] = []
  private var bases: [UInt64] = []
  private var next = 0

  init(seed: UInt64, blocks count: Int = 12) {
    random = SplitMix64(state: seed)
    bases = (0..<4).map { _ in random.next() }
    for _ in 0..<count {
      let flags: Operation.Flags = random.next() % 4 == 0 ? .user : []
      let fetch = Operation(.fetch, random.next() >> 16, size: UInt16(random.next() % 21), flags: flags)
      let data = (0..<random.next() % 6).map { _ in
        Data(
          kind: random.next() % 2 == 0 ? .load : .store, size: 1 << UInt16(random.next() % 5),
          base: Int(random.next() % 4), offset: random.next() % 4096)
      }
      blocks.append(Block(fetch: fetch, data: data))
    }
  }

  /// The accesses of the next block: its data at other addresses than the last time now and then.
  mutating func run() -> [Operation] {
    if random.next() % 3 == 0 {
      bases[Int(random.next() % 4)] &+= random.next() >> (20 + random.next() % 44)
    }
    next = random.next() % 8 == 0 ? Int(random.next() % UInt64(blocks.count)) : (next + 1) % blocks.count
    let block = blocks[next]
    return [block.fetch]
      + block.data.map { Operation($0.kind, bases[$0.base] &+ $0.offset, size: $0.size, flags: block.fetch.flags) }
  }

  /// So many operations of it, some of any kind among them.
  mutating func operations(_ count: Int) -> [FlatOperation] {
    var operations: [FlatOperation] = []
    while operations.count < count {
      operations += run().map { FlatOperation($0) }
      if random.next() % 64 == 0 { operations += random.operations(1) }
    }
    return Array(operations.prefix(count))
  }
}
