/// A range of an address space that is mapped in one way (Linux, `struct vm_area_struct`).
struct Mapping: Hashable {
  /// The first page, and the one after the last.
  var pages: Range<UInt64>
  var rights: MappingRights
  var file = FileNumber.none
  /// The page at which the first page of the file is, or would be.
  var origin: UInt64 = 0

  /// Stores go to the file and are seen by all that have it mapped.
  var isShared = false

  func filePage(_ page: UInt64) -> FilePage { FilePage(file: file, index: page &- origin) }

  fileprivate func continues(_ other: Mapping) -> Bool {
    other.pages.upperBound == pages.lowerBound && other.rights == rights && other.file == file
      && other.isShared == isShared && (file == .none || other.origin == origin)
  }

  /// The same mapping so many pages on.
  func moved(by distance: UInt64) -> Mapping {
    var mapping = self
    mapping.pages = pages.lowerBound &+ distance..<pages.upperBound &+ distance
    mapping.origin &+= distance
    return mapping
  }

  fileprivate func cut(to range: Range<UInt64>) -> Mapping? {
    let common = pages.clamped(to: range)
    if common.isEmpty { return nil }
    var piece = self
    piece.pages = common
    return piece
  }
}

/// What a program may do with a mapping; 4 r, 2 w, 1 x as in an operation. As on x86, any of them lets it read.
struct MappingRights: Hashable {
  var raw: UInt16
  var isReadable: Bool { raw != 0 }
  var isWritable: Bool { raw & 2 != 0 }
  var isExecutable: Bool { raw & 1 != 0 }
  static var all: MappingRights { MappingRights(raw: 7) }
}

/// The mappings of an address space, in order; no two overlap.
struct MappingList {
  private(set) var list: [Mapping] = []

  /// The mapping that holds a page.
  func mapping(of page: UInt64) -> Mapping? {
    let index = firstIndex(endingAfter: page)
    return index < list.count && list[index].pages.contains(page) ? list[index] : nil
  }

  /// The mappings of a range, those at its ends cut.
  func pieces(in range: Range<UInt64>) -> [Mapping] {
    list[firstIndex(endingAfter: range.lowerBound)...].prefix { $0.pages.lowerBound < range.upperBound }
      .compactMap { $0.cut(to: range) }
  }

  /// Puts a mapping where whatever was there goes.
  mutating func insert(_ mapping: Mapping) { replace(mapping.pages, with: [mapping]) }

  mutating func remove(_ range: Range<UInt64>) { replace(range, with: []) }

  mutating func protect(_ range: Range<UInt64>, _ rights: MappingRights) {
    let pieces = pieces(in: range).map { piece in
      var piece = piece
      piece.rights = rights
      return piece
    }
    replace(range, with: pieces)
  }

  /// The first index whose mapping ends after a page.
  private func firstIndex(endingAfter page: UInt64) -> Int {
    var low = 0
    var high = list.count
    while low < high {
      let middle = (low + high) / 2
      if list[middle].pages.upperBound > page { high = middle } else { low = middle + 1 }
    }
    return low
  }

  private mutating func replace(_ range: Range<UInt64>, with pieces: [Mapping]) {
    let first = firstIndex(endingAfter: range.lowerBound)
    var end = first
    while end < list.count && list[end].pages.lowerBound < range.upperBound { end += 1 }
    var new: [Mapping] = []
    if first < end, let piece = list[first].cut(to: 0..<range.lowerBound) { new.append(piece) }
    new += pieces
    if first < end, let piece = list[end - 1].cut(to: range.upperBound..<UInt64.max) { new.append(piece) }
    list.replaceSubrange(first..<end, with: new)
    join(from: max(0, first - 1), to: min(list.count, first + new.count + 1))
  }

  /// Makes one of neighbours that are alike, so that the list stays short.
  private mutating func join(from start: Int, to end: Int) {
    for index in stride(from: end - 1, to: start, by: -1) where list[index].continues(list[index - 1]) {
      list[index - 1].pages = list[index - 1].pages.lowerBound..<list[index].pages.upperBound
      list.remove(at: index)
    }
  }
}
