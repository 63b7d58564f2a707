internal import Paging

/// What Xen's frame table says, for people.
extension DirectBackend {
  func account(of frame: MPN) -> FrameAccount? {
    let entry = xen.frames[frame]
    var words = [entry.typeCount > 0 ? entry.kind.name : "none"]
    if entry.isTable {
      if entry.isValidated { words.append("validated") }
      if entry.isPartial { words.append("partly validated") }
      if entry.isPinned { words.append("pinned") }
    }
    return FrameAccount(
      frame: frame, type: words.joined(separator: ", "), typeCount: entry.typeCount, references: entry.totalCount)
  }
}

extension Frame.Kind {
  /// "L2 table", "writable", "none".
  var name: String { level.map { "L\($0) table" } ?? (self == .writable ? "writable" : "none") }
}
