internal import Paging

/// The smallest TLB that a stripped trace is for: what is known to be in every TLB that includes it.
///
/// Pages are divided into classes by their number, those of fetches apart from those of loads and stores. Where a TLB's
/// number of sets is a multiple of the number of classes, a set has pages of one class alone; so of each class it has, of
/// those used last, as many as it has ways.
struct StripFilter {
  private var classes: [[StripClass]]
  /// By stream (0 data, 1 fetches): the large and huge pages used last of their classes, in units of their size.
  private var large: [[UInt64]]
  private var huge: [[UInt64]]
  /// Page sizes of which some machine has no array: no access to such a page may be left out.
  private let isHeld: [[Bool]]
  /// Bits of a page's number that tell apart pages of the largest size there is.
  private var shift: UInt64 = 9
  /// Counts what is told.
  private var clock: UInt64 = 0
  /// Loads, stores and fetches that have been left out for good.
  private(set) var folded: [UInt64] = [0, 0, 0]

  init(_ machines: [MachineDescription]) {
    let levels = [machines.map(\.l1Data), machines.map(\.l1Instruction)]
    let counts = levels.map(Self.classes)
    isHeld = counts.map { $0.map { $0 > 0 } }
    classes = zip(counts, levels).map { counts, levels in
      let ways = levels.map { $0.first { $0.pageSizes.contains(.small) }?.ways ?? 0 }.min() ?? 0
      return Array(repeating: StripClass(ways: ways), count: max(counts[0], 1))
    }
    large = counts.map { Array(repeating: UInt64.max, count: max($0[1], 1)) }
    huge = counts.map { Array(repeating: UInt64.max, count: max($0[2], 1)) }
  }

  /// By page size, the greatest number of classes that divides all machines' numbers of sets.
  private static func classes(_ levels: [[TLBGeometry]]) -> [Int] {
    // Pages of several sizes in one set are ordered by their last use whatever their numbers.
    let isShared = levels.contains { $0.contains { $0.pageSizes.count > 1 } }
    return PageSize.allCases.map { size in
      var common = 0
      for level in levels {
        guard let array = level.first(where: { $0.pageSizes.contains(size) && $0.ways > 0 }) else { return 0 }
        common = greatestCommonDivisor(common, array.sets)
      }
      return isShared ? 1 : common
    }
  }

  private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestCommonDivisor(b, a % b) }

  @inline(__always) private static func index(_ number: UInt64, _ count: Int) -> Int {
    count & (count - 1) == 0 ? Int(truncatingIfNeeded: number) & (count - 1) : Int(number % UInt64(count))
  }

  /// Leaves an access within one page out, if it hits in all those TLBs.
  mutating func folds(_ operation: Operation, _ access: Access) -> Bool {
    let page = operation.address >> 12
    let stream = access.isFetch ? 1 : 0
    let index = Self.index(page, classes[stream].count)
    switch classes[stream][index].knowledge(page, access) {
    case .unknown: return false
    case .latest(let size):
      if size > .small && !isLatestLarge(page, size, stream) { return false }
    case .small: break
    }
    if let left = classes[stream][index].fold(page, operation) { count(left) }
    return true
  }

  private func isLatestLarge(_ page: UInt64, _ size: PageSize, _ stream: Int) -> Bool {
    guard large[stream][Self.index(page >> 9, large[stream].count)] == page >> 9 else { return false }
    return size == .large || huge[stream][Self.index(page >> 18, huge[stream].count)] == page >> 18
  }

  private mutating func count(_ operation: Operation) { folded[Int(operation.kind.rawValue)] += 1 }

  mutating func takeFolded() -> [UInt64] {
    defer { folded = [0, 0, 0] }
    return folded
  }
}

extension StripFilter {
  /// Tells what the order of use needs where a page is about to be used.
  mutating func settle(_ page: UInt64, isFetch: Bool, _ tell: (Operation) -> Void) {
    let stream = isFetch ? 1 : 0
    let index = Self.index(page, classes[stream].count)
    classes[stream][index].settle(but: page, at: &clock, tell)
  }

  /// The same wherever entries are about to be dropped.
  mutating func settle(_ drops: DropLog, _ tell: (Operation) -> Void) {
    for stream in classes.indices {
      for index in classes[stream].indices where classes[stream][index].has(where: { drops.concerns($0, shift: shift) })
      {
        classes[stream][index].settle(but: nil, at: &clock, tell)
      }
    }
  }

  /// An access has been made, and is in the stripped trace; `size`: the guest's page, nil if that is not known.
  /// `isPlain`: it did nothing but what a walk does that finds its way.
  mutating func note(_ page: UInt64, _ access: Access, _ size: PageSize?, isPlain: Bool) {
    let stream = access.isFetch ? 1 : 0
    let known = size ?? .small
    let allows = isPlain && size != nil && isHeld[stream][..<Int(known.rawValue)].allSatisfy(\.self)
    if size == .huge { shift = 18 }
    let index = Self.index(page, classes[stream].count)
    for left in classes[stream][index].use(page, access, known, allows: allows, at: &clock) { count(left) }
    // Whatever may have been used is latest; what may not have been is not known to be.
    if size != .small { setLatest(&large[stream], page >> 9, isKnown: size != nil) }
    if size != .small && size != .large { setLatest(&huge[stream], page >> 18, isKnown: size != nil) }
  }

  private func setLatest(_ array: inout [UInt64], _ number: UInt64, isKnown: Bool) {
    array[Self.index(number, array.count)] = isKnown ? number : .max
  }

  /// Entries have been dropped.
  mutating func forget(_ drops: DropLog) {
    guard !drops.isEmpty else { return }
    let shift = shift
    for stream in classes.indices {
      for index in classes[stream].indices {
        let lost =
          drops.isWhole
          ? classes[stream][index].forgetAll()
          : classes[stream][index].doubt { drops.concerns($0, shift: shift) }
        for left in lost { count(left) }
      }
      for index in large[stream].indices where drops.concerns(large[stream][index] << 9, shift: shift) {
        large[stream][index] = .max
      }
      for index in huge[stream].indices where drops.concerns(huge[stream][index] << 18, shift: 18) {
        huge[stream][index] = .max
      }
    }
  }
}
