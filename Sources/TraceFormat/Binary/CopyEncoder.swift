internal import Paging

/// Writes copies (``BinaryLayout``), the fourth part of a span.
struct CopyEncoder {
  private(set) var bytes: [UInt8] = []
  /// What was added to an address last.
  private(set) var difference: UInt64 = 0
  /// The piece that is not yet written: operations, its delta's length in bytes, the map.
  private var length = 0
  private var deltaLength = 0
  private var map: UInt64 = 0

  mutating func reset() {
    bytes.removeAll(keepingCapacity: true)
    difference = 0
  }

  /// Writes that operations from number `place` on are copied.
  mutating func append(_ copy: CopyFinder.Copy, at place: Int, in window: SpanWindow) {
    bytes.append(littleEndian: UInt16(copy.distance))
    begin(deltaLength: 0)
    let operations = window.operations.span
    for number in place..<(place + copy.length) {
      let source = number - copy.distance
      let (new, old) = (SpanWindow.index(of: number), SpanWindow.index(of: source))
      let delta = operations[new].address &- operations[old].address
      if delta != 0 && delta != difference {
        if length > 0 { endPiece(isLast: false) }
        difference = delta
        begin(deltaLength: 1 << delta.signedLengthLog)
      } else if length == CopyPiece.limit || length > 0 && source % OperationBatch.capacity == 0 {
        endPiece(isLast: false)
        begin(deltaLength: 0)
      }
      if delta != 0 { map |= 1 << UInt64(length) }
      length += 1
    }
    endPiece(isLast: true)
  }

  private mutating func begin(deltaLength: Int) {
    length = 0
    map = 0
    self.deltaLength = deltaLength
  }

  private mutating func endPiece(isLast: Bool) {
    let log = deltaLength == 0 ? 0 : deltaLength.trailingZeroBitCount + 1
    bytes.append(UInt8((length - 1) << 3 | (isLast ? Int(CopyPiece.last) : 0) | log))
    bytes.append(littleEndian: difference, length: deltaLength)
    bytes.append(littleEndian: map, length: (length + 7) / 8)
  }
}
