internal import Paging

/// Reads memlab's binary form (``BinaryLayout``), one block a batch.
struct BinaryDecoder: TraceDecoder {
  static var magic: [UInt8] { BinaryLayout.magic }

  private(set) var header: TraceHeader
  private var blocks = BlockDecoder()
  /// Number of the next block's first operation, and of the next block.
  var next: UInt64 = 0
  var nextBlock: UInt64 = 0
  /// Operations of the next block that a seek leaves out.
  var leaveOut = 0
  var isFinished = false

  init(_ input: ByteInput) throws(TraceError) {
    let start = try input.peek(BinaryLayout.startLength)
    guard start.starts(with: Self.magic) else { throw input.badData("expected the first bytes of a binary trace") }
    guard start.count == BinaryLayout.startLength else { throw input.cutOff(expected: "a version number") }
    guard start == Self.start else {
      throw input.badData(at: 8, "expected version \(BinaryLayout.version) of the binary form")
    }
    input.skip(BinaryLayout.startLength)
    let section = try input.requireSection(expected: "the trace's header")
    guard let header = input.withBytes({ TraceHeader(section, $0) }) else {
      throw input.badData("expected the trace's header, found something else")
    }
    self.header = header
    input.skip(BinaryLayout.sectionHeaderLength + section.payloadLength)
  }

  /// The bytes before the first section.
  static var start: [UInt8] {
    var bytes = magic
    bytes.append(littleEndian: BinaryLayout.version)
    bytes.append(littleEndian: UInt32(0))
    return bytes
  }

  mutating func read(into batch: inout OperationBatch, from input: ByteInput) throws(TraceError) -> Bool {
    batch.removeAll(first: next)
    guard !isFinished else { return false }
    let section = try input.requireSection(expected: "a block or the end mark")
    guard section.tag == .block else {
      try readEnd(section, from: input)
      isFinished = true
      return false
    }
    guard section.first == next else {
      throw input.badData("block begins with operation \(section.first), expected \(next)")
    }
    let start = BinaryLayout.sectionHeaderLength
    // SAFETY: the window holds the whole section, with the padding that the decoder wants behind it.
    let isGood = unsafe input.withUnsafeBytes { bytes in
      unsafe blocks.decode(
        section, UnsafeRawBufferPointer(rebasing: bytes[start..<start + section.payloadLength]), into: &batch)
    }
    guard isGood else {
      batch.removeAll(first: next)
      throw input.badData("block cannot be decoded, expected \(section.count) operations")
    }
    input.skip(start + section.payloadLength)
    next += UInt64(section.count)
    nextBlock += 1
    leaveOutFirst(of: &batch)
    return true
  }

  private mutating func leaveOutFirst(of batch: inout OperationBatch) {
    guard leaveOut > 0 else { return }
    for index in leaveOut..<batch.count { batch.operations[index - leaveOut] = batch.operations[index] }
    batch.count -= leaveOut
    batch.firstNumber += UInt64(leaveOut)
    leaveOut = 0
  }

  /// Reads the index and the end mark, and checks them against the blocks that were read.
  private func readEnd(_ first: BinarySection, from input: ByteInput) throws(TraceError) {
    let indexOffset = input.position
    var section = first
    var indexed: UInt64 = 0
    while section.tag == .index {
      guard section.first == indexed, section.count > 0, section.count <= BinaryLayout.indexLimit,
        section.payloadLength == section.lengths.a, section.lengths.a == section.count * BinaryLayout.indexEntryLength
      else { throw input.badData("expected the index from block \(indexed) on, found something else") }
      indexed += UInt64(section.count)
      input.skip(BinaryLayout.sectionHeaderLength + section.payloadLength)
      section = try input.requireSection(expected: "the rest of the index or the end mark")
    }
    let expected = BinaryEnd(operations: next, indexOffset: indexOffset, blocks: nextBlock)
    guard let end = input.withBytes({ BinaryEnd(section, $0) }), end == expected, indexed == nextBlock else {
      throw input.badData("expected the end mark of \(next) operations in \(nextBlock) blocks, found something else")
    }
    input.skip(BinaryLayout.sectionHeaderLength + section.payloadLength)
    if try input.require(1) { throw input.badData("expected the end of the file, found more") }
  }
}
