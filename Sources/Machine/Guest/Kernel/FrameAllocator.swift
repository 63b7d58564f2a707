internal import Paging

/// Which page frames are free. The lowest free one is given first, so that the order is defined, small pages keep
/// together and whole blocks of 2 MiB stay free for large ones.
///
/// What lies above the highest frame ever given is free and costs nothing.
struct FrameAllocator {
  /// Frames there are.
  let limit: UInt64
  private(set) var free: UInt64
  /// A bit for each frame of the blocks that have been touched: 1 in use.
  private var used: [UInt64] = []
  private var freeInBlock: [Int] = []
  /// No word before this one has a free frame.
  private var firstWord = 0

  private static var block: Int { 512 }
  private static var words: Int { block / 64 }

  init(frames: UInt64) {
    limit = frames
    free = frames
  }

  /// Frames up to which any has been given, in whole blocks.
  var touched: UInt64 { min(limit, UInt64(freeInBlock.count * Self.block)) }

  /// The lowest free frame, nil if there is none.
  mutating func allocate() -> PPN? {
    while free > 0 {
      while firstWord < used.count {
        let word = ~used[firstWord]
        if word != 0 { return take(firstWord * 64 + word.trailingZeroBitCount) }
        firstWord += 1
      }
      addBlock()
    }
    return nil
  }

  /// The lowest block of 512 frames that are all free, aligned; nil if there is none.
  mutating func allocateBlock() -> PPN? {
    var block = freeInBlock.firstIndex(of: Self.block)
    if block == nil {
      guard UInt64((freeInBlock.count + 1) * Self.block) <= limit else { return nil }
      addBlock()
      block = freeInBlock.count - 1
    }
    guard let block else { return nil }
    for word in 0..<Self.words { used[block * Self.words + word] = .max }
    freeInBlock[block] = 0
    free -= UInt64(Self.block)
    return PPN(UInt64(block * Self.block))
  }

  mutating func release(_ page: PPN) {
    let frame = Int(page.raw)
    precondition(used[frame / 64] >> UInt64(frame % 64) & 1 == 1, "frame \(frame) is given back twice")
    used[frame / 64] &= ~(1 << UInt64(frame % 64))
    freeInBlock[frame / Self.block] += 1
    free += 1
    firstWord = min(firstWord, frame / 64)
  }

  private mutating func take(_ frame: Int) -> PPN {
    used[frame / 64] |= 1 << UInt64(frame % 64)
    freeInBlock[frame / Self.block] -= 1
    free -= 1
    return PPN(UInt64(frame))
  }

  private mutating func addBlock() {
    let first = UInt64(freeInBlock.count * Self.block)
    let count = Int(min(UInt64(Self.block), limit - min(limit, first)))
    for word in 0..<Self.words {
      let free = min(64, max(0, count - word * 64))
      used.append(free == 64 ? 0 : UInt64.max << UInt64(free))
    }
    freeInBlock.append(count)
  }
}
