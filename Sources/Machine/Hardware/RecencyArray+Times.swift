internal import Paging

/// Counts uses.
@safe struct UseClock: BitwiseCopyable {
  private let ticks: UnsafeMutablePointer<UInt64>

  /// A clock in a word of somebody's storage.
  @unsafe init(_ ticks: UnsafeMutablePointer<UInt64>) { unsafe self.ticks = ticks }

  @inline(__always) var time: UInt64 {
    // SAFETY: the storage's owner lives as long.
    get { unsafe ticks.pointee }
    nonmutating set { unsafe ticks.pointee = newValue }
  }

  /// The time of another use.
  @inline(__always) func tick() -> UInt64 {
    time &+= 1
    return time
  }
}

/// The order of use as times, for what is used much oftener than filled: each way's ``EntryUsage`` says when it was used,
/// and the victim has the earliest time.
///
/// So a hit is a store of the time, which in the first TLB level the loop makes itself, and only a fill looks at all ways
/// of its set.
extension RecencyArray {
  /// Where there are more ways, to look for the earliest time would be long.
  static var mostWithTimes: Int { 64 }

  /// The usage of a way.
  @inline(__always) func usage(_ way: Int, in set: UnsafeMutableRawPointer) -> UnsafeMutablePointer<EntryUsage> {
    // SAFETY: a way of the set.
    unsafe (set + geometry.usagesOffset).assumingMemoryBound(to: EntryUsage.self) + way
  }

  /// Makes a way the one used last.
  @inline(__always) func setTime(_ way: Int, in set: UnsafeMutableRawPointer) {
    guard let clock = geometry.clock else { return }
    unsafe usage(way, in: set).pointee.time = clock.tick()
  }

  /// The way used longest ago; one that was dropped, or never used, has time 0.
  @inline(__always) func earliest(in set: UnsafeMutableRawPointer) -> Int {
    let usages = unsafe usage(0, in: set)
    var (earliest, time) = unsafe (0, usages.pointee.time)
    var way = 1
    while way < ways {
      let other = unsafe usages[way].time
      if other < time { (earliest, time) = (way, other) }
      way &+= 1
    }
    return earliest
  }

  /// The value of the way with a tag, 0 if there is none; the loop is told of it.
  @inline(__always)
  func search(
    _ number: UInt64, _ tag: UInt64, _ page: UInt64, _ size: PageSize, for recent: RecentEntries.Table
  ) -> UInt64 {
    let set = unsafe set(of: number)
    let way = unsafe anyWay(in: set, tag)
    if way < 0 { return 0 }
    unsafe use(way, in: set)
    let value = unsafe entry(way, in: set).pointee.data
    unsafe tell(way, in: set, page, size, value, for: recent)
    return value
  }

  /// Enters a tag that the array does not have; the loop is told of it.
  @inline(__always)
  func insert(
    _ number: UInt64, _ tag: UInt64, _ value: UInt64, _ page: UInt64, _ size: PageSize,
    for recent: RecentEntries.Table
  ) {
    let set = unsafe set(of: number)
    let new = TLBEntry(tag: tag, data: value)
    guard let clock = geometry.clock else {
      return unsafe tell(replaceOldest(in: set, new), in: set, page, size, value, for: recent)
    }
    unsafe setBegun(in: set)
    let way = unsafe earliest(in: set)
    unsafe writeEntry(new, way, in: set)
    let usage = unsafe usage(way, in: set)
    unsafe usage.pointee.time = clock.tick()
    unsafe recent.note(usage, page, size, value)
  }

  /// Where the order is a list, hits must move ways: of all its entries the loop has the one that was used last.
  private func tell(
    _ way: Int, in set: UnsafeMutableRawPointer, _ page: UInt64, _ size: PageSize, _ value: UInt64,
    for recent: RecentEntries.Table
  ) {
    let usage = unsafe usage(way, in: set)
    if !hasTimes { unsafe makeOnly(usage) }
    unsafe recent.note(usage, page, size, value)
  }
}
