internal import Glibc
internal import Paging

/// The TLB arrays that are looked up together: one a page size, or shared by several.
@safe struct TLBLevel: ~Copyable {
  private let tags: UnsafeMutablePointer<UInt64>
  private let values: UnsafeMutablePointer<UInt64>
  let entryCount: Int
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
    entryCount = geometries.reduce(0) { $0 + $1.sets * $1.ways }
    // SAFETY: the arrays below divide the storage among them; one word more serves a size that no array holds.
    unsafe tags = zeroed(entryCount + 1)
    unsafe values = zeroed(entryCount + 1)
    var offset = 0
    var bySize: [PageSize: RecencyArray] = [:]
    var all: [RecencyArray] = []
    for geometry in geometries {
      let array = unsafe RecencyArray(
        tags: tags + offset, values: values + offset, sets: geometry.sets, ways: geometry.ways)
      all.append(array)
      for size in geometry.pageSizes { bySize[size] = array }
      offset += geometry.sets * geometry.ways
    }
    let none = unsafe RecencyArray(tags: tags + offset, values: values + offset, sets: 1, ways: 0)
    small = bySize[.small] ?? none
    large = bySize[.large] ?? none
    huge = bySize[.huge] ?? none
    arrays = all
  }

  deinit {
    // SAFETY: made in `init`, freed once.
    unsafe free(tags)
    unsafe free(values)
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
    for index in 0..<entryCount {
      // SAFETY: the index is below the number of entries; an empty one's value is 0 and stays so.
      if unsafe tags[index] != 0 { unsafe values[index] = TLBData.refreshed(values[index], under: controls) }
    }
  }

  /// The valid entries, set by set, the latest first.
  func entries() -> [TLBEntry] {
    // SAFETY: the index is below the number of entries.
    (0..<entryCount).map { unsafe TLBEntry(tag: tags[$0], data: values[$0]) }.filter { $0.tag != 0 }
  }
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
    // SAFETY: the storages have this many words.
    unsafe tags.update(repeating: 0, count: entryCount)
    unsafe values.update(repeating: 0, count: entryCount)
    holdsLarge = false
    holdsHuge = false
    holdsFractures = false
  }
}
