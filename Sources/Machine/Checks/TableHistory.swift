internal import Paging

/// Every version that each word of the guest's tables has had, as the trace tells it: a memory of its own, apart from the
/// machine's, in which A and D are what the guest stored.
struct TableHistory {
  /// A value and the time from which it holds.
  struct Version: Equatable {
    var time: UInt64
    var value: UInt64
  }

  private var words: [UInt64: [Version]] = [:]

  /// Books a new value; a value that stays is no new version.
  mutating func store(_ value: UInt64, at address: UInt64, time: UInt64) {
    if words[address]?.last?.value ?? 0 == value { return }
    words[address, default: [Version(time: 0, value: 0)]].append(Version(time: time, value: value))
  }

  /// The value that a word has now.
  func value(at address: UInt64) -> UInt64 { words[address]?.last?.value ?? 0 }

  /// Calls for each version that held at some time from `start` on and before `end`, the latest first; ends early on true.
  func anyVersion(
    at address: UInt64, since start: UInt64, until end: UInt64 = .max, _ body: (Version) -> Bool
  ) -> Bool {
    guard let versions = words[address] else { return body(Version(time: 0, value: 0)) }
    for version in versions.reversed() where version.time < end {
      if body(version) { return true }
      if version.time <= start { return false }
    }
    return false
  }
}
