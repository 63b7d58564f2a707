internal import Paging

/// The TLB arrays that are looked up together: one a page size, or shared by several.
struct TLBLevel: ~Copyable {
  private(set) var small: RecencyArray
  private var large: RecencyArray
  private var huge: RecencyArray
  /// Each array once, shared or not.
  private let arrays: [RecencyArray]
  /// What the loop asks, of one context: of the first level alone.
  let recent: RecentEntries.Table?
  /// Large pages that may be here, a bit for each of their numbers modulo 64, of either half of the address space: they have
  /// been filled since the last complete flush. Most programs have none, so that half of all searches need not be made.
  private var lowLarge: UInt64 = 0
  private var highLarge: UInt64 = 0
  /// Huge pages have been filled since, so they must be searched.
  private var holdsHuge = false
  /// So have parts of larger guest pages, which one INVLPG must drop together.
  private var holdsFractures = false

  /// `recent`: look-ups are of one context until ``forgetRecent()`` is called, and are made much oftener than anything
  /// changes.
  init(_ geometries: [TLBGeometry], recent: RecentEntries.Table? = nil) {
    var bySize: [PageSize: RecencyArray] = [:]
    var all: [RecencyArray] = []
    for geometry in geometries {
      let array = RecencyArray(sets: geometry.sets, ways: geometry.ways, clock: recent?.clock)
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
    self.recent = recent
  }

  deinit {
    for array in arrays { array.free() }
  }

  /// The data of the entry that translates a page, 0 if there is none; the entry becomes the latest of its set.
  ///
  /// Of entries of several sizes for one page, which only a guest that does not flush can have, any may answer.
  mutating func lookUp(_ page: UInt64, context: UInt64) -> UInt64 {
    let data = recent?.lookUp(page) ?? 0
    return data != 0 ? data : search(page, context: context)
  }

  /// The same where ``RecentEntries`` have nothing, or are not kept.
  private mutating func search(_ page: UInt64, context: UInt64) -> UInt64 {
    let data = search(small, page, .small, context)
    if data != 0 { return data }
    if mayHoldLarge(page) {
      let data = search(large, page, .large, context)
      if data != 0 { return data }
    }
    return holdsHuge ? searchHuge(page, context) : 0
  }

  @inline(__always)
  private mutating func search(_ array: RecencyArray, _ page: UInt64, _ size: PageSize, _ context: UInt64) -> UInt64 {
    let (number, tag) = (page &>> size.pageShift, TLBEntry.tag(page, size, context: context))
    guard let recent else { return array.search(number, tag) }
    return array.search(number, tag, page, size, for: recent)
  }

  @inline(__always) private func mayHoldLarge(_ page: UInt64) -> Bool {
    (page &>> 51 & 1 == 0 ? lowLarge : highLarge) &>> (page &>> 9 & 63) & 1 != 0
  }

  /// There may be a larger page that has a small one.
  @inline(__always) func mayHoldLarger(_ page: UInt64) -> Bool { mayHoldLarge(page) || holdsHuge }

  @inline(never) private mutating func searchHuge(_ page: UInt64, _ context: UInt64) -> UInt64 {
    search(huge, page, .huge, context)
  }

  /// Enters a translation. `isNew`: a look-up has just found none for the page.
  mutating func fill(_ page: UInt64, data: UInt64, context: UInt64, isNew: Bool) {
    let size = TLBData.size(data)
    if TLBData.guestSize(data) > size { holdsFractures = true }
    switch size {
    case .small: enter(small, page, .small, context, data, isNew: isNew)
    case .large:
      let bit: UInt64 = 1 &<< (page &>> 9 & 63)
      if page &>> 51 & 1 == 0 { lowLarge |= bit } else { highLarge |= bit }
      enter(large, page, .large, context, data, isNew: isNew)
    case .huge:
      holdsHuge = true
      enter(huge, page, .huge, context, data, isNew: isNew)
    }
  }

  @inline(__always)
  private mutating func enter(
    _ array: RecencyArray, _ page: UInt64, _ size: PageSize, _ context: UInt64, _ data: UInt64, isNew: Bool
  ) {
    guard array.ways > 0 else { return }
    let (number, tag) = (page &>> size.pageShift, TLBEntry.tag(page, size, context: context))
    if let recent, isNew { return array.insert(number, tag, data, page, size, for: recent) }
    if isNew { array.insert(number, tag, data) } else { array.replace(number, tag, data) }
    if let recent { _ = array.search(number, tag, page, size, for: recent) }
  }

  /// Works the allowed accesses of every entry out again.
  mutating func refresh(under controls: PagingControls) {
    recent?.forgetAll()
    for array in arrays { array.mapValues { TLBData.refreshed($0, under: controls) } }
  }

  /// The valid entries.
  func entries() -> [TLBEntry] { arrays.flatMap(\.entries) }
}

extension TLBLevel {
  /// Another context runs, or other rules than the entries' own are in force.
  func forgetRecent() { recent?.forgetAll() }

  /// The processor's TLB is none of these arrays, but gives this for a small page until something is forgotten.
  func noteLone(_ page: UInt64, _ data: UInt64) { recent?.noteLone(page, data) }

  /// Drops the entries that translate a page and for which the condition holds.
  mutating func remove(_ page: UInt64, context: UInt64, where condition: (TLBEntry) -> Bool = { _ in true }) {
    recent?.forgetLone()
    small.remove(page) { $0.matches(TLBEntry.tag(page, .small, context: context)) && condition($0) }
    if mayHoldLarge(page) {
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
    recent?.forgetLone()
    for array in arrays { array.removeAll(where: condition) }
  }

  /// Drops everything.
  mutating func removeAll() {
    recent?.forgetAll()
    for array in arrays { array.removeAll() }
    lowLarge = 0
    highLarge = 0
    holdsHuge = false
    holdsFractures = false
  }
}
