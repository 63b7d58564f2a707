internal import Paging

extension BinaryDecoder {
  mutating func seek(toOperation number: UInt64, in input: ByteInput) throws(TraceError) {
    guard let size = input.seekableSize else {
      throw TraceError(.usage, file: input.name, "cannot start in the middle: it is packed or no regular file")
    }
    let end = try readEnd(of: input, size: size)
    guard number < end.operations else {
      throw TraceError(.usage, file: input.name, "has \(end.operations) operations, expected more than \(number)")
    }
    let found = try findUnit(holding: number, end, in: input)
    try input.seek(to: found.offset)
    next = found.first
    nextUnit = found.number
    let section = try input.requireSection(expected: "a \(unit)")
    guard section.tag == unit, section.first == next, number - next < UInt64(section.count) else {
      throw input.badData("expected the \(unit) of operation \(number), found something else")
    }
    leaveOut = number - next
    isFinished = false
    spans.abandon()
  }

  private func readEnd(of input: ByteInput, size: UInt64) throws(TraceError) -> BinaryEnd {
    let length = UInt64(BinaryEnd.length)
    guard size >= length else { throw input.badData(at: size, "cut off, expected the end mark") }
    try input.seek(to: size - length)
    let section = try input.requireSection(expected: "the end mark")
    guard let end = input.withBytes({ BinaryEnd(section, $0) }) else {
      throw input.badData("expected the end mark, found something else")
    }
    return end
  }

  /// The last block or span that begins with that operation or an earlier one.
  private func findUnit(
    holding number: UInt64, _ end: BinaryEnd, in input: ByteInput
  ) throws(TraceError) -> (number: UInt64, offset: UInt64, first: UInt64) {
    try input.seek(to: end.indexOffset)
    var found: (number: UInt64, offset: UInt64, first: UInt64)?
    var indexed: UInt64 = 0
    search: while indexed < end.units {
      let section = try input.requireSection(expected: "the index from \(unit) \(indexed) on")
      guard section.tag == .index, section.first == indexed, section.count > 0,
        section.payloadLength == section.count * BinaryLayout.indexEntryLength
      else { throw input.badData("expected the index from \(unit) \(indexed) on, found something else") }
      let length = BinaryLayout.sectionHeaderLength + section.payloadLength
      let isLast = input.withBytes { bytes in
        var cursor = ByteCursor(from: BinaryLayout.sectionHeaderLength, to: length)
        for index in 0..<UInt64(section.count) {
          let offset = cursor.number(UInt64.self, bytes)
          let first = cursor.number(UInt64.self, bytes)
          if first > number { return true }
          found = (indexed + index, offset, first)
        }
        return false
      }
      if isLast { break search }
      indexed += UInt64(section.count)
      input.skip(length)
    }
    guard let found else { throw input.badData("the index does not name the \(unit) of operation \(number)") }
    return found
  }
}
