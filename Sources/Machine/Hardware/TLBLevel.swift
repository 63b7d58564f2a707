internal import Glibc
internal import Paging

/// The TLB arrays that are looked up together: one a page size, or shared by several.
///
/// Each set keeps its entries in order of use, the latest first, so exact LRU is a shift and the commonest hit is the
/// first comparison.
@safe struct TLBLevel: ~Copyable {
  private let storage: UnsafeMutablePointer<TLBEntry>
  let entryCount: Int
  private let small: TLBArray
  private let large: TLBArray
  private let huge: TLBArray
  /// Pages of these sizes have been filled since the last complete flush, so their arrays must be searched.
  private var holdsLarge = false
  private var holdsHuge = false
  /// So have parts of larger guest pages, which one INVLPG must drop together.
  private var holdsFractures = false

  init(_ geometries: [TLBGeometry]) {
    entryCount = geometries.reduce(0) { $0 + $1.sets * $1.ways }
    // SAFETY: zeroed entries are empty ones; the arrays below divide the storage among them.
    unsafe storage = zeroed(max(entryCount, 1))
    var offset = 0
    var arrays: [PageSize: TLBArray] = [:]
    for geometry in geometries {
      for size in geometry.pageSizes {
        arrays[size] = unsafe TLBArray(first: storage + offset, sets: geometry.sets, ways: geometry.ways)
      }
      offset += geometry.sets * geometry.ways
    }
    let none = unsafe TLBArray(first: storage, sets: 1, ways: 0)
    small = arrays[.small] ?? none
    large = arrays[.large] ?? none
    huge = arrays[.huge] ?? none
  }

  deinit {
    // SAFETY: made in `init`, freed once.
    unsafe free(storage)
  }

  /// The data of the entry that translates a page, 0 if there is none; the entry becomes the latest of its set.
  ///
  /// Of entries of several sizes for one page, which only a guest that does not flush can have, any may answer.
  @inline(__always) mutating func lookUp(_ page: UInt64, context: UInt64) -> UInt64 {
    let latest = small.latest(page)
    if latest.tag == TLBEntry.tag(page, .small, context: context) { return latest.data }
    if holdsLarge {
      let latest = large.latest(page >> 9)
      if latest.tag == TLBEntry.tag(page, .large, context: context) { return latest.data }
    }
    return search(page, context: context)
  }

  @inline(never) private mutating func search(_ page: UInt64, context: UInt64) -> UInt64 {
    var data = small.search(page, TLBEntry.tag(page, .small, context: context))
    if data == 0 && holdsLarge { data = large.search(page >> 9, TLBEntry.tag(page, .large, context: context)) }
    if data == 0 && holdsHuge { data = huge.search(page >> 18, TLBEntry.tag(page, .huge, context: context)) }
    return data
  }

  /// Enters a translation, in the place of one with the same tag if there is one.
  mutating func fill(_ page: UInt64, _ size: PageSize, data: UInt64, context: UInt64) {
    let entry = TLBEntry(tag: TLBEntry.tag(page, size, context: context), data: data)
    if TLBData.guestSize(data) > size { holdsFractures = true }
    switch size {
    case .small: small.fill(page, entry)
    case .large:
      holdsLarge = true
      large.fill(page >> 9, entry)
    case .huge:
      holdsHuge = true
      huge.fill(page >> 18, entry)
    }
  }

  /// Drops the entries that translate a page and for which the condition holds.
  mutating func remove(_ page: UInt64, context: UInt64, where condition: (TLBEntry) -> Bool = { _ in true }) {
    small.remove(page, TLBEntry.tag(page, .small, context: context), where: condition)
    large.remove(page >> 9, TLBEntry.tag(page, .large, context: context), where: condition)
    huge.remove(page >> 18, TLBEntry.tag(page, .huge, context: context), where: condition)
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
    for index in 0..<entryCount {
      // SAFETY: the index is below the number of entries.
      let entry = unsafe storage[index]
      if entry.tag != 0 && condition(entry) { unsafe storage[index] = .empty }
    }
  }

  /// Drops everything.
  mutating func removeAll() {
    // SAFETY: the storage has this many entries.
    unsafe storage.update(repeating: .empty, count: entryCount)
    holdsLarge = false
    holdsHuge = false
    holdsFractures = false
  }

  /// Works the allowed accesses of every entry out again.
  mutating func refresh(under controls: PagingControls) {
    for index in 0..<entryCount {
      // SAFETY: the index is below the number of entries.
      unsafe storage[index].data = TLBData.refreshed(storage[index].data, under: controls)
    }
  }

  /// The valid entries, set by set, the latest first.
  func entries() -> [TLBEntry] {
    // SAFETY: the storage has this many entries.
    unsafe UnsafeBufferPointer(start: storage, count: entryCount).filter { $0.tag != 0 }
  }
}
