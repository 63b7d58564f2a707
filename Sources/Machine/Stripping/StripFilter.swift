internal import Paging

/// The smallest TLB that a stripped trace is for: what is known to be the latest entry of its set in every TLB that
/// includes it.
///
/// One direct-mapped array for each page size, those for fetches apart from those for loads and stores. Each divides the
/// pages into so many classes by their number; where a TLB's number of sets is a multiple of that, a set has pages of one
/// class alone. So the page that was used last of its class was used last of its set.
struct StripFilter {
  /// What was used last of a class of 4 KiB pages.
  private struct Slot {
    var page = UInt64.max
    /// The accesses (``Access/bit``) that the page has been shown to allow.
    var allowed: UInt64 = 0
    /// Of the guest's page. A TLB's entry may be smaller, and is not larger.
    var size = PageSize.small
  }

  /// The classes by stream (0 data, 1 fetches) and page size; 0: no access to such a page may be left out.
  let classes: [[Int]]
  private var slots: [[Slot]]
  /// By stream: numbers of large and huge pages, in units of their size.
  private var large: [[UInt64]]
  private var huge: [[UInt64]]

  init(_ machines: [MachineDescription]) {
    classes = [Self.classes(machines.map(\.l1Data)), Self.classes(machines.map(\.l1Instruction))]
    slots = classes.map { Array(repeating: Slot(), count: max($0[0], 1)) }
    large = classes.map { Array(repeating: UInt64.max, count: max($0[1], 1)) }
    huge = classes.map { Array(repeating: UInt64.max, count: max($0[2], 1)) }
  }

  /// The greatest numbers of classes that divide all machines' numbers of sets.
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

  /// Whether an access to a 4 KiB page hits in all those TLBs, and changes nothing in them.
  @inline(__always) func holds(_ page: UInt64, _ access: Access) -> Bool {
    let stream = access.isFetch ? 1 : 0
    let slot = slots[stream][Self.index(page, slots[stream].count)]
    guard slot.page == page && slot.allowed & access.bit != 0 else { return false }
    return slot.size == .small || holdsLarger(page, slot.size, stream)
  }

  private func holdsLarger(_ page: UInt64, _ size: PageSize, _ stream: Int) -> Bool {
    guard large[stream][Self.index(page >> 9, large[stream].count)] == page >> 9 else { return false }
    return size == .large || huge[stream][Self.index(page >> 18, huge[stream].count)] == page >> 18
  }

  /// An access has been performed; `isPlain`: it did nothing but what a walk does that finds its way.
  mutating func note(_ page: UInt64, _ access: Access, _ size: PageSize, isPlain: Bool) {
    let stream = access.isFetch ? 1 : 0
    let index = Self.index(page, slots[stream].count)
    var slot = slots[stream][index]
    if slot.page != page || slot.size != size { slot = Slot(page: page, allowed: 0, size: size) }
    if isPlain && classes[stream][..<Int(size.rawValue)].allSatisfy({ $0 > 0 }) { slot.allowed |= access.bit }
    slots[stream][index] = slot
    if size > .small { large[stream][Self.index(page >> 9, large[stream].count)] = page >> 9 }
    if size > .large { huge[stream][Self.index(page >> 18, huge[stream].count)] = page >> 18 }
  }

  /// Nothing is known any more.
  mutating func removeAll() {
    for stream in 0..<2 {
      for index in slots[stream].indices { slots[stream][index] = Slot() }
      for index in large[stream].indices { large[stream][index] = .max }
      for index in huge[stream].indices { huge[stream][index] = .max }
    }
  }

  @inline(__always) private static func index(_ number: UInt64, _ count: Int) -> Int {
    count & (count - 1) == 0 ? Int(truncatingIfNeeded: number) & (count - 1) : Int(number % UInt64(count))
  }
}
