internal import Glibc

/// A trace's unpacked bytes, seen through a window that moves forward.
///
/// The window is a buffer of fixed size: whatever a trace claims, no more than ``capacity`` bytes of it are held.
@safe final class ByteInput {
  /// Most bytes that can be required at once.
  static var capacity: Int { (1 << 20) + (1 << 16) }
  /// Readable bytes behind the window, whatever they hold: a decoder may load past the end before it checks.
  static var padding: Int { 40_960 }
  /// Large enough to make system calls cheap, small enough to stay in the second-level cache.
  private static var readSize: Int { 1 << 18 }

  let name: String
  private let source: RawSource
  private let decompressor: Decompressor?
  private let buffer: UnsafeMutableRawPointer
  private var start = 0
  private var end = 0
  private var isAtEnd = false
  /// Offset, in the unpacked trace, of the window's first byte.
  private(set) var position: UInt64 = 0

  /// Opens a file, or standard input for `-`, and unpacks it if its first bytes say that it is packed.
  init(path: String) throws(TraceError) {
    let source = try RawSource(path: path)
    var first: [UInt8] = []
    while first.count < Compression.longestMagic {
      let more = try source.readChunk(Compression.longestMagic - first.count)
      if more.isEmpty { break }
      first += more
    }
    decompressor =
      if let compression = Compression.recognise(first) {
        try Decompressor(compression, start: first, file: source.name)
      } else { nil }
    self.source = source
    name = source.name
    // SAFETY: owned by this object until `deinit`; wholly zero, so that any byte may be read. (Pages that are never
    // touched cost nothing.)
    guard let buffer = unsafe calloc(1, Self.capacity + Self.padding) else {
      throw TraceError(.inputOutput, file: source.name, "cannot be read: out of memory")
    }
    unsafe self.buffer = buffer
    if decompressor == nil {
      unsafe buffer.copyMemory(from: first, byteCount: first.count)
      end = first.count
    }
  }

  deinit { unsafe free(buffer) }

  /// Bytes in the window.
  var available: Int { end - start }

  /// The share of the file that was read, nil if its size is not known.
  var fraction: Double? {
    guard let size = source.size, size > 0 else { return nil }
    let ahead = decompressor == nil ? UInt64(available) : 0
    return min(1, Double(source.consumed - min(ahead, source.consumed)) / Double(size))
  }

  /// Size in bytes of an unpacked regular file, the only kind that ``seek(to:)`` takes.
  var seekableSize: UInt64? { decompressor == nil ? source.size : nil }

  /// Makes the window hold at least `count` bytes; false if the trace ends before, all the rest then being in it.
  func require(_ count: Int) throws(TraceError) -> Bool {
    precondition(count <= Self.capacity)
    guard available < count else { return true }
    // SAFETY: start...end lies in the buffer; reads go to the free part behind `end`, at most up to `capacity`.
    unsafe buffer.copyMemory(from: buffer + start, byteCount: available)
    end -= start
    start = 0
    while end < count && !isAtEnd {
      let room = min(Self.readSize, Self.capacity - end)
      let got =
        if let decompressor {
          try unsafe decompressor.read(into: buffer + end, count: room, from: source)
        } else {
          try unsafe source.read(into: buffer + end, count: room)
        }
      end += got
      isAtEnd = got == 0
    }
    return available >= count
  }

  /// Moves the window's start forward.
  func skip(_ count: Int) {
    precondition(count >= 0 && count <= available)
    start += count
    position += UInt64(count)
  }

  /// Moves to a byte offset of an unpacked regular file.
  func seek(to offset: UInt64) throws(TraceError) {
    guard decompressor == nil else {
      throw TraceError(.usage, file: name, "cannot start in the middle: it is packed")
    }
    try source.seek(to: offset)
    position = offset
    (start, end, isAtEnd) = (0, 0, false)
  }

  /// Gives the window's bytes, followed by ``padding`` readable ones, to `body`.
  @unsafe func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // SAFETY: start...end lies in the buffer, which lives as long as this object.
    try unsafe body(UnsafeRawBufferPointer(start: buffer + start, count: available))
  }
}
