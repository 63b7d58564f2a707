internal import Paging

/// Reads raw recordings of a whole system (`.mlt`, version 1) as operations.
///
/// The header's RAM size and registers become the operations 0…3. A store and the page-table write that follows it
/// become one operation; further entries written by the same store, one more each, of size 0. The previous value and
/// the level mask of a page-table write are dropped: both follow from what came before.
struct RawDecoder: TraceDecoder {
  static var magic: [UInt8] { RawRecord.magic }

  private(set) var header: TraceHeader
  /// Operations that come before the next record: those that the header stands for, the second one of a CPU record.
  var waiting: [Operation]
  private var next: UInt64 = 0
  /// By record type.
  private let templates = [Operation(.load), Operation(.store), Operation(.fetch)]

  /// What a page-table write that comes now belongs to.
  struct Store {
    var address: UInt64
    var isUser: Bool
    /// The store is the last operation of the batch and becomes a table store; else it was one already.
    var isLast: Bool
  }
  var store: Store?

  var cpu = 0
  /// The CR3 that each virtual CPU is known to have.
  var cr3: [UInt64?]
  static var cpuLimit: Int { 1024 }

  init(_ input: ByteInput) throws(TraceError) {
    guard try input.require(8 * RawRecord.headerWords) else {
      throw input.cutOff(expected: "a header of \(8 * RawRecord.headerWords) bytes")
    }
    let words = input.withWords { words in (0..<RawRecord.headerWords).map { words[$0] } }
    guard try input.peek(8) == Self.magic else { throw input.badData("expected the first bytes MMLTRC01") }
    guard words[1] > 0 else { throw input.badData(at: 8, "RAM size is 0, expected bytes") }
    let filters = ["all", "page", "none"]
    guard words[6] < filters.count else {
      throw input.badData(at: 48, "filter is \(words[6]), expected 0 (all), 1 (page) or 2 (none)")
    }
    header = TraceHeader(
      guest: .recorded,
      notes: [
        .init(key: "source", value: "raw-1"),
        .init(key: "filter", value: filters[Int(words[6])]),
        .init(key: "idt-base", value: String(words[5], radix: 16)),
      ])
    waiting = [
      Operation(.ram, words[1]), Operation(.loadCR0, words[3]), Operation(.loadCR4, words[4]),
      Operation(.loadCR3, words[2]),
    ]
    cr3 = Array(repeating: nil, count: Self.cpuLimit)
    cr3[0] = words[2]
    input.skip(8 * RawRecord.headerWords)
  }

  mutating func read(into batch: inout OperationBatch, from input: ByteInput) throws(TraceError) -> Bool {
    batch.removeAll(first: next)
    while !batch.isFull {
      guard waiting.isEmpty else {
        deliverWaiting(to: &batch)
        continue
      }
      guard try input.require(8) else {
        if input.available > 0 { throw input.cutOff(expected: "a record of whole 8-byte words") }
        break
      }
      let taken = input.withWords { copyAccesses($0, to: &batch) }
      input.skip(8 * taken)
      if taken == 0 { try readRecord(into: &batch, from: input) }
    }
    try joinTableStore(&batch, from: input)
    next += UInt64(batch.count)
    return !batch.isEmpty
  }

  private mutating func deliverWaiting(to batch: inout OperationBatch) {
    for operation in waiting { batch.append(operation) }
    waiting = []
  }

  /// A store that ends the batch may be a table store: the next record tells.
  private mutating func joinTableStore(_ batch: inout OperationBatch, from input: ByteInput) throws(TraceError) {
    guard store?.isLast == true, try input.require(8) else { return }
    let head = RawRecord(head: input.withWords { $0[0] })
    if head.kind == .tableStore {
      try readRecord(into: &batch, from: input)
    } else {
      // The next batch must not take the page-table write of anything else for this store's.
      store = nil
    }
  }

  /// Takes loads, stores and fetches as long as they come and the batch has room.
  ///
  /// - Returns: the number of records taken: all of one word. It stops before a record of another kind or a bad one.
  private mutating func copyAccesses(_ words: Span<UInt64>, to batch: inout OperationBatch) -> Int {
    let first = batch.count
    let limit = min(words.count, OperationBatch.capacity - first)
    var taken = 0
    var operations = batch.operations.mutableSpan
    let templates = self.templates
    while taken < limit {
      let record = RawRecord(head: words[taken])
      let type = Int(truncatingIfNeeded: record.head >> 60)
      // No branch tells the three kinds apart: which one comes next cannot be foreseen.
      let isFetch = type == 2
      guard type < templates.count, isFetch || record.aux <= 6 else { break }
      var operation = templates[type]
      operation.address = record.virtual
      operation.flags = Operation.Flags(rawValue: UInt8(truncatingIfNeeded: record.head >> 59 & 1))
      operation.size = isFetch ? record.aux : 1 &<< (record.aux & 7)
      operations[first + taken] = operation
      taken += 1
    }
    batch.count = first + taken
    if taken > 0 { noteStore(batch.operations[first + taken - 1]) }
    return taken
  }

  /// Remembers the access that was taken last if it is a store.
  private mutating func noteStore(_ last: Operation) {
    store = last.kind == .store ? Store(address: last.address, isUser: last.isUser, isLast: true) : nil
  }
}
