internal import Paging

/// What ``Processor/fillPlainly(_:_:)`` asks of the levels, most often of small pages: each is one array, and few branches.
extension TLBLevel {
  /// Of the first level: it has no entry for a page. False: it may have one.
  @inline(__always) func surelyLacks(_ page: UInt64, context: UInt64) -> Bool {
    if mayHoldLarger(page) { return false }
    return unsafe small.anyWay(in: small.set(of: page), TLBEntry.tag(page, .small, context: context)) < 0
  }

  /// The same as ``lookUp(_:context:)``, of a level without ``RecentEntries``.
  @inline(__always) mutating func find(_ page: UInt64, context: UInt64) -> UInt64 {
    let data = small.search(page, TLBEntry.tag(page, .small, context: context))
    return data == 0 && mayHoldLarger(page) ? lookUp(page, context: context) : data
  }

  /// Enters a translation of a page for which a look-up has just found none; the level has ``RecentEntries``.
  @inline(__always) mutating func addForLoop(_ page: UInt64, data: UInt64, context: UInt64) {
    guard let recent, isSmall(data) else { return fill(page, data: data, context: context, isNew: true) }
    small.insert(page, TLBEntry.tag(page, .small, context: context), data, page, .small, for: recent)
  }

  /// The same of a level without them.
  @inline(__always) mutating func add(_ page: UInt64, data: UInt64, context: UInt64) {
    guard isSmall(data) else { return fill(page, data: data, context: context, isNew: true) }
    small.insert(page, TLBEntry.tag(page, .small, context: context), data)
  }

  @inline(__always) private func isSmall(_ data: UInt64) -> Bool { TLBData.isSmall(data) && small.ways > 0 }
}
