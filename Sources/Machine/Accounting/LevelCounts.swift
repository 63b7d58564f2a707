/// A count for each level of page table, 1 to 5.
public struct LevelCounts: Hashable, Sendable {
  private var level1: UInt64 = 0
  private var level2: UInt64 = 0
  private var level3: UInt64 = 0
  private var level4: UInt64 = 0
  private var level5: UInt64 = 0

  public init() {}

  public var sum: UInt64 { level1 + level2 + level3 + level4 + level5 }

  public subscript(level: Int) -> UInt64 {
    switch level {
    case 1: level1
    case 2: level2
    case 3: level3
    case 4: level4
    default: level5
    }
  }

  @inline(__always) mutating func increment(_ level: Int) {
    // The commonest by far.
    if level == 1 {
      level1 &+= 1
      return
    }
    switch level {
    case 2: level2 &+= 1
    case 3: level3 &+= 1
    case 4: level4 &+= 1
    default: level5 &+= 1
    }
  }
}
