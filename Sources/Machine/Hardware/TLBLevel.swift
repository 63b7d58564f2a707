internal import Paging

/// The TLB arrays that are looked up together: one a page size, or shared by several.
struct TLBLevel: ~Copyable {
  private var small: RecencyArray
  private var large: RecencyArray
  private var huge: RecencyArray
  /// Each array once, shared or not.
  private let arrays: [RecencyArray]
  /// Of one context, if they are kept.
  private let latest: LatestEntries
  /// Large pages that may be here, a bit for each of their numbers modulo 64, of either half of the address space: they have
  /// been filled since the last complete flush. Most programs have none, so that half of all searches need not be made.
  private var lowLarge: UInt64 = 0
  private var highLarge: UInt64 = 0
  /// Huge pages have been filled since, so they must be searched.
  private var holdsHuge = false
  /// So have parts of larger guest pages, which one INVLPG must drop together.
  private var holdsFractures = false

  /// `keepsLatest`: look-ups are of one context until ``forgetLatest()`` is called, and are made much oftener than
  /// anything changes.
  init(_ geometries: [TLBGeometry], keepsLatest: Bool = false) {
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
    // Without arrays there is a slot for what ``noteLatest(_:_:)`` says.
    let kept = geometries.isEmpty ? [TLBGeometry([.small], sets: 1, ways: 1)] : geometries
    latest = LatestEntries(keepsLatest ? kept : [])
  }

  deinit {
    latest.free()
    for array in arrays { array.free() }
  }

  /// What the loop asks before it looks anything up; nothing if `seesAll`.
  func latestEntries(seesAll: Bool) -> LatestEntries.View { seesAll ? latest.nothing : latest.view }

  /// The data of the entry that translates a page, 0 if there is none; the entry becomes the latest of its set.
  ///
  /// Of entries of several sizes for one page, which only a guest that does not flush can have, any may answer.
  @inline(__always) mutating func lookUp(_ page: UInt64, context: UInt64) -> UInt64 {
    let data = latest.lookUp(page)
    return data != 0 ? data : search(page, context: context)
  }

  /// The same where ``latestEntries`` has nothing, or is not kept.
  @inline(__always) mutating func search(_ page: UInt64, context: UInt64) -> UInt64 {
    let data = small.search(page, TLBEntry.tag(page, .small, context: context))
    if data != 0 {
      latest.note(page, .small, data)
      return data
    }
    if mayHoldLarge(page) {
      let data = large.search(page &>> 9, TLBEntry.tag(page, .large, context: context))
      if data != 0 {
        latest.note(page &>> 9, .large, data)
        return data
      }
    }
    return holdsHuge ? searchHuge(page, context: context) : 0
  }

  @inline(__always) private func mayHoldLarge(_ page: UInt64) -> Bool {
    (page &>> 51 & 1 == 0 ? lowLarge : highLarge) &>> (page &>> 9 & 63) & 1 != 0
  }

  @inline(never) private mutating func searchHuge(_ page: UInt64, context: UInt64) -> UInt64 {
    let found = huge.search(page &>> 18, TLBEntry.tag(page, .huge, context: context))
    if found != 0 { latest.note(page &>> 18, .huge, found) }
    return found
  }

  /// Enters a translation of a page for which a look-up has just found none.
  @inline(__always) mutating func insert(_ page: UInt64, data: UInt64, context: UInt64) {
    guard TLBData.size(data) == .small && TLBData.guestSize(data) == .small && small.ways > 0 else {
      return fill(page, data: data, context: context, isNew: true)
    }
    small.insert(page, TLBEntry.tag(page, .small, context: context), data)
    latest.note(page, .small, data)
  }

  /// Enters a translation. `isNew`: a look-up has just found none for the page.
  mutating func fill(_ page: UInt64, data: UInt64, context: UInt64, isNew: Bool) {
    let size = TLBData.size(data)
    let tag = TLBEntry.tag(page, size, context: context)
    if TLBData.guestSize(data) > size { holdsFractures = true }
    switch size {
    case .small: enter(small, page, tag, data, isNew)
    case .large:
      let bit: UInt64 = 1 &<< (page &>> 9 & 63)
      if page &>> 51 & 1 == 0 { lowLarge |= bit } else { highLarge |= bit }
      enter(large, page &>> 9, tag, data, isNew)
    case .huge:
      holdsHuge = true
      enter(huge, page &>> 18, tag, data, isNew)
    }
  }

  @inline(__always)
  private func enter(_ array: RecencyArray, _ number: UInt64, _ tag: UInt64, _ data: UInt64, _ isNew: Bool) {
    guard array.ways > 0 else { return }
    if isNew { array.insert(number, tag, data) } else { array.replace(number, tag, data) }
    latest.note(number, TLBData.size(data), data)
  }

  /// Works the allowed accesses of every entry out again.
  mutating func refresh(under controls: PagingControls) {
    latest.forgetAll()
    for array in arrays { array.mapValues { TLBData.refreshed($0, under: controls) } }
  }

  /// The valid entries.
  func entries() -> [TLBEntry] { arrays.flatMap(\.entries) }
}

extension TLBLevel {
  /// Another context runs, or other rules than the entries' own are in force.
  func forgetLatest() { latest.forgetAll() }

  /// The processor's TLB is none of these arrays, but gives this for a small page until something is forgotten.
  func noteLatest(_ page: UInt64, _ data: UInt64) { latest.note(page, .small, data) }

  /// Drops the entries that translate a page and for which the condition holds.
  mutating func remove(_ page: UInt64, context: UInt64, where condition: (TLBEntry) -> Bool = { _ in true }) {
    latest.forget(page)
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
    latest.forgetAll()
    for array in arrays { array.removeAll(where: condition) }
  }

  /// Drops everything.
  mutating func removeAll() {
    latest.forgetAll()
    for array in arrays { array.removeAll() }
    lowLarge = 0
    highLarge = 0
    holdsHuge = false
    holdsFractures = false
  }
}
