internal import Paging

/// Reads memlab's binary form (``BinaryLayout``) batch by batch: a block is one, a span has many.
struct BinaryDecoder: TraceDecoder {
  static var magic: [UInt8] { BinaryLayout.magic }

  private(set) var header: TraceHeader
  private var blocks = BlockDecoder()
  var spans = SpanDecoder()
  /// What the operations lie in: blocks in version 1 of the form, else spans.
  let unit: BinaryLayout.Tag
  /// Number of the next operation, and of the next block or span.
  var next: UInt64 = 0
  var nextUnit: UInt64 = 0
  /// Operations of the next block or span that a seek leaves out.
  var leaveOut: UInt64 = 0
  var isFinished = false

  init(_ input: ByteInput) throws(TraceError) {
    let start = try input.peek(BinaryLayout.startLength)
    guard start.starts(with: Self.magic) else { throw input.badData("expected the first bytes of a binary trace") }
    guard start.count == BinaryLayout.startLength else { throw input.cutOff(expected: "a version number") }
    guard let version = (1...BinaryLayout.version).first(where: { start == Self.start(version: $0) }) else {
      throw input.badData(at: 8, "expected version 1 or \(BinaryLayout.version) of the binary form")
    }
    unit = version == 1 ? .block : .span
    input.skip(BinaryLayout.startLength)
    let section = try input.requireSection(expected: "the trace's header")
    guard let header = input.withBytes({ TraceHeader(section, $0) }) else {
      throw input.badData("expected the trace's header, found something else")
    }
    self.header = header
    input.skip(BinaryLayout.sectionHeaderLength + section.payloadLength)
  }

  /// The bytes before the first section.
  static func start(version: UInt32 = BinaryLayout.version) -> [UInt8] {
    var bytes = magic
    bytes.append(littleEndian: version)
    bytes.append(littleEndian: UInt32(0))
    return bytes
  }

  mutating func read(into batch: inout OperationBatch, from input: ByteInput) throws(TraceError) -> Bool {
    repeat {
      batch.removeAll(first: next)
      if isFinished { return false }
      if spans.isFinished {
        guard try beginUnit(into: &batch, from: input) else { return false }
      } else {
        try readSpan(into: &batch, from: input)
      }
      next += UInt64(batch.count)
      leaveOutFirst(of: &batch)
    } while batch.isEmpty
    return true
  }

  /// Reads a block, or begins a span; false at the end.
  private mutating func beginUnit(
    into batch: inout OperationBatch, from input: ByteInput
  ) throws(TraceError) -> Bool {
    let section = try input.requireSection(expected: "a \(unit) or the end mark")
    guard section.tag == unit else {
      try readEnd(section, from: input)
      isFinished = true
      return false
    }
    guard section.first == next else {
      throw input.badData("\(unit) begins with operation \(section.first), expected \(next)")
    }
    nextUnit += 1
    if unit == .block {
      try readBlock(section, into: &batch, from: input)
    } else {
      guard spans.begin(section) else {
        throw input.badData("span cannot be decoded, expected \(section.count) operations")
      }
    }
    return true
  }

  private mutating func readBlock(
    _ section: BinarySection, into batch: inout OperationBatch, from input: ByteInput
  ) throws(TraceError) {
    // SAFETY: the window holds the whole section, with the padding that the decoder wants behind it.
    let isGood = unsafe input.withUnsafeBytes { bytes in
      unsafe blocks.decode(section, Self.payload(section.payloadLength, bytes), into: &batch)
    }
    guard isGood else {
      batch.removeAll(first: next)
      throw input.badData("block cannot be decoded, expected \(section.count) operations")
    }
    input.skip(BinaryLayout.sectionHeaderLength + section.payloadLength)
  }

  /// Reads the next batch of a span, which stays in the window until its last batch was read.
  private mutating func readSpan(into batch: inout OperationBatch, from input: ByteInput) throws(TraceError) {
    // SAFETY: as above.
    let isGood = unsafe input.withUnsafeBytes { bytes in
      unsafe spans.decode(Self.payload(spans.payloadLength, bytes), into: &batch)
    }
    guard isGood else {
      batch.removeAll(first: next)
      throw input.badData("span cannot be decoded behind operation \(next)")
    }
    if spans.isFinished { input.skip(BinaryLayout.sectionHeaderLength + spans.payloadLength) }
  }

  private static func payload(_ length: Int, _ window: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    let start = BinaryLayout.sectionHeaderLength
    return unsafe UnsafeRawBufferPointer(rebasing: window[start..<start + length])
  }

  /// Takes what a seek leaves out from the batch, all of it perhaps.
  private mutating func leaveOutFirst(of batch: inout OperationBatch) {
    guard leaveOut > 0 else { return }
    let count = Int(min(leaveOut, UInt64(batch.count)))
    for index in count..<batch.count { batch.operations[index - count] = batch.operations[index] }
    batch.count -= count
    batch.firstNumber += UInt64(count)
    leaveOut -= UInt64(count)
  }

  /// Reads the index and the end mark, and checks them against what was read.
  private func readEnd(_ first: BinarySection, from input: ByteInput) throws(TraceError) {
    let indexOffset = input.position
    var section = first
    var indexed: UInt64 = 0
    while section.tag == .index {
      guard section.first == indexed, section.count > 0, section.count <= BinaryLayout.indexLimit,
        section.payloadLength == section.lengths.a, section.lengths.a == section.count * BinaryLayout.indexEntryLength
      else { throw input.badData("expected the index from \(unit) \(indexed) on, found something else") }
      indexed += UInt64(section.count)
      input.skip(BinaryLayout.sectionHeaderLength + section.payloadLength)
      section = try input.requireSection(expected: "the rest of the index or the end mark")
    }
    let expected = BinaryEnd(operations: next, indexOffset: indexOffset, units: nextUnit)
    guard let end = input.withBytes({ BinaryEnd(section, $0) }), end == expected, indexed == nextUnit else {
      throw input.badData("expected the end mark of \(next) operations in \(nextUnit) \(unit)s, found something else")
    }
    input.skip(BinaryLayout.sectionHeaderLength + section.payloadLength)
    if try input.require(1) { throw input.badData("expected the end of the file, found more") }
  }
}
