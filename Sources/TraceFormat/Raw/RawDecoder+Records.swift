internal import Paging

extension RawDecoder {
  /// Takes one record of any kind; there is room for one operation, a second one waits.
  mutating func readRecord(into batch: inout OperationBatch, from input: ByteInput) throws(TraceError) {
    let record = RawRecord(head: input.withWords { $0[0] })
    guard let kind = record.kind else {
      throw input.badData("record type is \(record.head >> 60), expected 0 to 11")
    }
    switch kind {
    case .read, .write, .fetch:
      // Good ones were taken before.
      throw input.badData("access of 2^\(record.aux) bytes, expected 2^0 to 2^6")
    case .tableStore: try readTableStore(record, into: &batch, from: input)
    case .table: try readTable(record, into: &batch, from: input)
    case .tableGone:
      let level = try tableLevel(record, in: input)
      batch.append(Operation(.tableGone, record.physical, size: level))
      input.skip(8)
      endStore()
    default:
      store = nil
      try readEvent(kind, record, into: &batch, from: input)
    }
  }

  private mutating func readEvent(
    _ kind: RawRecord.Kind, _ record: RawRecord, into batch: inout OperationBatch, from input: ByteInput
  ) throws(TraceError) {
    switch kind {
    case .loadCR3:
      let value = try payload(1, "a CR3 value", in: input)[0]
      batch.append(Operation(.loadCR3, value))
      cr3[cpu] = value
    case .loadControl:
      guard record.aux == 0 || record.aux == 4 else {
        throw input.badData("load of CR\(record.aux), expected CR0 or CR4")
      }
      let value = try payload(1, "a register value", in: input)[0]
      batch.append(Operation(record.aux == 0 ? .loadCR0 : .loadCR4, value))
    case .exception: try readException(record, into: &batch, from: input)
    case .cpu: try readCPU(record, into: &batch, from: input)
    case .invlpg:
      batch.append(Operation(.invlpg, record.virtual))
      input.skip(8)
    default:
      batch.append(Operation(.mark))
      input.skip(8)
    }
  }

  private mutating func readTableStore(
    _ record: RawRecord, into batch: inout OperationBatch, from input: ByteInput
  ) throws(TraceError) {
    let value = try payload(2, "a page-table write's value and previous value", in: input)[0]
    guard let store else {
      batch.append(Operation(.tableStore, record.physical, size: 8, flags: record.isUser ? .user : []), words: [value])
      return
    }
    let flags: Operation.Flags = store.isUser ? [.user, .hasPayload] : .hasPayload
    var operation = Operation(.tableStore, record.physical, flags: flags)
    if store.isLast {
      batch.count -= 1
      operation.size = batch.operations[batch.count].size
    }
    batch.append(operation, words: [value, store.address])
    self.store?.isLast = false
  }

  private mutating func readTable(
    _ record: RawRecord, into batch: inout OperationBatch, from input: ByteInput
  ) throws(TraceError) {
    let level = try tableLevel(record, in: input)
    let bitmapBytes = 8 * (1 + RawRecord.bitmapWords)
    guard try input.require(bitmapBytes) else { throw input.cutOff(expected: "a table's bit map") }
    let entries = input.withWords { words in
      (1...RawRecord.bitmapWords).reduce(0) { $0 + words[$1].nonzeroBitCount }
    }
    let offset = input.position
    let words = try payload(RawRecord.bitmapWords + entries, "a table's \(entries) entries", in: input)
    if let zero = words.dropFirst(RawRecord.bitmapWords).firstIndex(of: 0) {
      throw input.badData(at: offset + UInt64(8 * (1 + zero)), "table entry is 0, expected one that is not")
    }
    batch.append(Operation(.table, record.physical, size: level), words: words)
    endStore()
  }

  private func readException(
    _ record: RawRecord, into batch: inout OperationBatch, from input: ByteInput
  ) throws(TraceError) {
    guard record.aux < 256 else { throw input.badData("exception vector is \(record.aux), expected 0 to 255") }
    let words = try payload(2, "an exception's code and RIP", in: input)
    let flags: Operation.Flags = record.isUser ? [.user, .hasPayload] : .hasPayload
    let operation =
      record.aux == 14
      ? Operation(.fault, record.virtual, flags: flags) : Operation(.interrupt, size: record.aux, flags: flags)
    batch.append(operation, words: words)
  }

  /// A switch to a virtual CPU, and its CR3 unless it is known to have that value.
  private mutating func readCPU(
    _ record: RawRecord, into batch: inout OperationBatch, from input: ByteInput
  ) throws(TraceError) {
    guard record.aux < Self.cpuLimit else {
      throw input.badData("virtual CPU \(record.aux), expected 0 to \(Self.cpuLimit - 1)")
    }
    let value = try payload(1, "a virtual CPU's CR3", in: input)[0]
    cpu = Int(record.aux)
    batch.append(Operation(.cpu, UInt64(cpu)))
    if cr3[cpu] != value {
      cr3[cpu] = value
      waiting = [Operation(.loadCR3, value)]
    }
  }

  /// A table's contents came: what follows may still be of a store whose first page-table write came before.
  private mutating func endStore() {
    if store?.isLast == true { store = nil }
  }

  private func tableLevel(_ record: RawRecord, in input: ByteInput) throws(TraceError) -> UInt16 {
    guard (1...5).contains(record.aux) else { throw input.badData("table level is \(record.aux), expected 1 to 5") }
    return record.aux
  }

  /// Takes a record's head word and gives the `count` words behind it.
  private func payload(_ count: Int, _ meaning: String, in input: ByteInput) throws(TraceError) -> [UInt64] {
    guard try input.require(8 * (1 + count)) else { throw input.cutOff(expected: meaning) }
    let words = input.withWords { words in (1...count).map { words[$0] } }
    input.skip(8 * (1 + count))
    return words
  }
}
