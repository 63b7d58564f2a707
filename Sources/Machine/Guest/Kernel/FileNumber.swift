internal import Paging

/// Which file a mapping is of.
struct FileNumber: Hashable {
  private(set) var raw: UInt32

  /// None: the memory is anonymous and private.
  static var none: FileNumber { FileNumber(raw: 0) }

  /// Shared memory that no disk has anything of (Linux, shmem): pages of zeros until somebody stores.
  var isInMemory: Bool { raw >> 27 != 0 }

  /// Numbers that a trace may give to files.
  static var named: Range<UInt64> { 0..<(1 << 26 - 1) }

  fileprivate static func named(_ number: UInt64) -> FileNumber { FileNumber(raw: UInt32(number) + 1) }
  fileprivate static func own(_ count: UInt32) -> FileNumber { FileNumber(raw: 1 << 26 | count) }
  fileprivate static func inMemory(_ count: UInt32) -> FileNumber { FileNumber(raw: 1 << 27 | count) }
}

/// What the `map` operations of a trace map: one that names no file has a file, or shared memory, of its own.
struct FileNumbers {
  private var count: UInt32 = 0

  /// The file, and how many of its pages lie before the first that is mapped. The operation's number of a file must be
  /// one of ``FileNumber/named``.
  mutating func next(_ protection: UInt16, _ words: [UInt64]) -> (file: FileNumber, offset: UInt64) {
    let isFile = protection & Operation.fileMapping != 0
    if isFile, words.count == 3 { return (.named(words[1]), words[2] >> 12) }
    guard isFile || protection & Operation.sharedMapping != 0 else { return (.none, 0) }
    count = (count + 1) & (1 << 26 - 1)
    return (isFile ? .own(count) : .inMemory(count), 0)
  }
}

/// A page of a file.
struct FilePage: Hashable {
  var file: FileNumber
  var index: UInt64

  /// Stands for the contents that the page has before anybody stores to it: zeros in memory, on disk a version number
  /// that no store makes.
  var version: UInt64 { file.isInMemory ? 0 : 1 << 63 | UInt64(file.raw) << 36 | index & 0xf_ffff_ffff }
}
