internal import Paging

/// The entries of one page in the arrays of all sizes.
///
/// A small array has evicted its entry since, and got a newer one; a large one may still have what an earlier walk found.
/// The two differ where the guest has given more rights, or another processor or PCID has set D, which needs no flush.
struct ReuseEntry {
  let tag: UInt64
  /// What the array of one entry has.
  private var data: UInt64
  /// What larger arrays have instead, from the sizes named on, in ascending order.
  private var older: [(size: Int, data: UInt64)] = []

  init(tag: UInt64, data: UInt64) {
    self.tag = tag
    self.data = data
  }

  var newest: TLBEntry { TLBEntry(tag: tag, data: data) }
  var isGlobal: Bool { data & TLBData.global != 0 }

  /// The accesses, as in ``TLBData``, that the arrays of all sizes allow.
  var allowedEverywhere: UInt64 { older.reduce(data) { $0 & $1.data } }

  func allowsSomewhere(_ access: Access) -> Bool { older.reduce(data) { $0 | $1.data } & access.bit != 0 }

  /// Some array has, and answers an access with, what a walk does not find.
  func isContradicted(by found: UInt64, _ access: Access) -> Bool {
    guard !isSame(data, found) || !older.isEmpty || TLBData.frame(data) != TLBData.frame(found) else { return false }
    let granted = TLBData.allowed | TLBData.dirty
    return ([data] + older.map(\.data)).contains { held in
      held & access.bit != 0 && (held & granted & ~found != 0 || TLBData.frame(held) != TLBData.frame(found))
    }
  }

  /// A look-up at a depth of the stack: arrays that are large enough and allow it answer; the others get what the walk
  /// has found.
  mutating func refill(_ found: UInt64, _ access: Access, depth: Int, _ hits: inout HitsBySize) {
    if older.isEmpty && isSame(data, found) {
      if data & access.bit != 0 { hits.add(depth, before: nil) }
      data = found
      return
    }
    var contents: [(size: Int, data: UInt64)] = depth > 1 ? [(1, found)] : []
    let held = [(size: 1, data: data)] + older
    for (index, piece) in held.enumerated() {
      let first = max(piece.size, depth)
      let end = index + 1 < held.count ? held[index + 1].size : nil
      if let end, end <= first { continue }
      let isHit = piece.data & access.bit != 0
      if isHit { hits.add(first, before: end) }
      let new = isHit ? piece.data : found
      if let last = contents.last, isSame(last.data, new) { continue }
      contents.append((first, new))
    }
    data = contents[0].data
    older = Array(contents.dropFirst())
  }

  /// Whether two entries allow the same, now and after any change of the registers.
  private func isSame(_ one: UInt64, _ other: UInt64) -> Bool {
    let frame: UInt64 = 0xff_ffff_ffff << 12
    return (one ^ other) & ~frame == 0
  }

  mutating func refresh(under controls: PagingControls) {
    data = TLBData.refreshed(data, under: controls)
    for index in older.indices { older[index].data = TLBData.refreshed(older[index].data, under: controls) }
  }
}
