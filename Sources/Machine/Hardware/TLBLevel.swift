internal import Paging

/// The TLB arrays that are looked up together: one a page size, or shared by several.
struct TLBLevel: ~Copyable {
  private let small: RecencyArray
  private let large: RecencyArray
  private let huge: RecencyArray
  /// Each array once, shared or not.
  private let arrays: [RecencyArray]
  /// Pages of these sizes have been filled since the last complete flush, so their arrays must be searched.
  private var holdsLarge = false
  private var holdsHuge = false
  /// So have parts of larger guest pages, which one INVLPG must drop together.
  private var holdsFractures = false

  init(_ geometries: [TLBGeometry]) {
    var bySize: [PageSize: RecencyArray] = [:]
    var all: [RecencyArray] = []
    for geometry in geometries {
      let array = RecencyArray(sets: geometry.sets, ways: geometry.ways)
      all.append(array)
      for size in geometry.pageSizes { bySize[size] = array }
    }
    // For the sizes that no array holds.
    let none = RecencyArray(sets: 1, ways: 0)
    all.append(none)
    small = bySize[.small] ?? none
    large = bySize[.large] ?? none
    huge = bySize[.huge] ?? none
    arrays = all
  }

  deinit {
    for array in arrays { array.free() }
  }

  /// The data of the entry that translates a page, 0 if there is none; the entry becomes the latest of its set.
  ///
  /// Of entries of several sizes for one page, which only a guest that does not flush can have, any may answer.
  @inline(__always) mutating func lookUp(_ page: UInt64, context: UInt64) -> UInt64 {
    let data = small.latest(page, TLBEntry.tag(page, .small, context: context))
    if data != 0 { return data }
    if holdsLarge {
      let data = large.latest(page >> 9, TLBEntry.tag(page, .large, context: context))
      if data != 0 { return data }
    }
    return search(page, context: context)
  }

  @inline(never) private mutating func search(_ page: UInt64, context: UInt64) -> UInt64 {
    var data = small.search(page, TLBEntry.tag(page, .small, context: context))
    if data == 0 && holdsLarge { data = large.search(page >> 9, TLBEntry.tag(page, .large, context: context)) }
    if data == 0 && holdsHuge { data = huge.search(page >> 18, TLBEntry.tag(page, .huge, context: context)) }
    return data
  }

  /// Enters a translation. `isNew`: a look-up has just found none for the page.
  mutating func fill(_ page: UInt64, data: UInt64, context: UInt64, isNew: Bool) {
    let size = TLBData.size(data)
    let tag = TLBEntry.tag(page, size, context: context)
    if TLBData.guestSize(data) > size { holdsFractures = true }
    switch size {
    case .small: enter(small, page, tag, data, isNew)
    case .large:
      holdsLarge = true
      enter(large, page >> 9, tag, data, isNew)
    case .huge:
      holdsHuge = true
      enter(huge, page >> 18, tag, data, isNew)
    }
  }

  @inline(__always)
  private func enter(_ array: RecencyArray, _ number: UInt64, _ tag: UInt64, _ data: UInt64, _ isNew: Bool) {
    if isNew { array.insert(number, tag, data) } else { array.replace(number, tag, data) }
  }

  /// Works the allowed accesses of every entry out again.
  mutating func refresh(under controls: PagingControls) {
    for array in arrays { array.mapValues { TLBData.refreshed($0, under: controls) } }
  }

  /// The valid entries.
  func entries() -> [TLBEntry] { arrays.flatMap(\.entries) }
}

extension TLBLevel {
  /// Drops the entries that translate a page and for which the condition holds.
  mutating func remove(_ page: UInt64, context: UInt64, where condition: (TLBEntry) -> Bool = { _ in true }) {
    small.remove(page) { $0.matches(TLBEntry.tag(page, .small, context: context)) && condition($0) }
    if holdsLarge {
      large.remove(page >> 9) { $0.matches(TLBEntry.tag(page, .large, context: context)) && condition($0) }
    }
    if holdsHuge {
      huge.remove(page >> 18) { $0.matches(TLBEntry.tag(page, .huge, context: context)) && condition($0) }
    }
  }

  /// Drops the entries of the guest page, however large, that holds a page, if the condition holds for them.
  mutating func removeWhole(_ page: VPN, context: UInt64, where condition: (TLBEntry) -> Bool = { _ in true }) {
    guard holdsFractures else { return remove(page.raw, context: context, where: condition) }
    removeAll { entry in
      let isOfContext = entry.context == context || entry.isGlobal(vpid: context & ~TLBEntry.pcidMask)
      return isOfContext && entry.covers(page) && condition(entry)
    }
  }

  /// Drops the valid entries for which the condition holds.
  @inline(__always) mutating func removeAll(where condition: (TLBEntry) -> Bool) {
    for array in arrays { array.removeAll(where: condition) }
  }

  /// Drops everything.
  mutating func removeAll() {
    for array in arrays { array.removeAll() }
    holdsLarge = false
    holdsHuge = false
    holdsFractures = false
  }
}
