internal import Paging

/// Decodes spans (``BinaryLayout``), a batch at a time.
///
/// The operations of the latest batches, of which copies are made, are those that were delivered: a batch and the window
/// here have the same array. So nothing is moved, and a batch that somebody keeps or changes is copied then (as Swift's
/// arrays are), and only then.
struct SpanDecoder {
  private var count = 0
  /// Number, in the span, of the next operation.
  private var position = 0
  /// Offsets in the payload of the next code, delta and byte of copies, and where each of these parts ends.
  private var codes = 0
  private var deltas = 0
  private var copies = 0
  private var ends = (codes: 0, deltas: 0, copies: 0)
  private var details = DetailDecoder(ByteCursor(from: 0, to: 0))
  /// The flags of accesses that are no copies.
  private var mode: Operation.Flags = []
  /// What copies add to an address.
  private var difference: UInt64 = 0
  /// The operations of the latest batches: batch n of the span at n modulo their number.
  private var window: [[Operation]] = []
  private let memory = SpanMemory()

  /// All of the span was taken.
  var isFinished: Bool { position == count }
  var payloadLength: Int { ends.copies }

  /// Begins a span; false if the section can be none.
  mutating func begin(_ section: BinarySection) -> Bool {
    let (a, b, c, d) = section.lengths
    guard section.tag == .span, (1...BinaryLayout.spanLimit).contains(section.count) else { return false }
    count = section.count
    position = 0
    (codes, deltas, copies) = (0, a + b, a + b + c)
    ends = (a, a + b + c, a + b + c + d)
    details = DetailDecoder(ByteCursor(from: a, to: a + b))
    memory.resetAddresses()
    mode = []
    difference = 0
    return true
  }

  /// Gives up the rest of the span.
  mutating func abandon() { position = count }

  /// Decodes the next batch of the span.
  ///
  /// - Parameter payload: the whole span's, with ``ByteInput/padding`` readable bytes behind.
  /// - Returns: false if the payload is no span.
  mutating func decode(_ payload: UnsafeRawBufferPointer, into batch: inout OperationBatch) -> Bool {
    guard payload.count == ends.copies, let start = payload.baseAddress else { return false }
    let slot = position / OperationBatch.capacity % (BinaryLayout.spanWindow / OperationBatch.capacity)
    if slot == window.count { window.append(Array(repeating: Operation(.mark), count: OperationBatch.capacity)) }
    // The batch may have the very array that is written to now.
    batch.operations = []
    var operations = window[slot]
    window[slot] = []
    memory.beginBatch(slot)
    let (window, memory, first) = (window, memory, position)
    let isGood = unsafe operations.withUnsafeMutableBytes { target in
      unsafe memory.withBatches(window) {
        guard let target = target.baseAddress else { return false }
        unsafe memory.batches[slot] = UnsafeRawPointer(target)
        return unsafe decode(start, to: target, &batch)
      }
    }
    self.window[slot] = operations
    batch.operations = operations
    batch.count = position - first
    return isGood && (position < count || isWhole)
  }

  /// All parts were taken to their ends.
  private var isWhole: Bool {
    codes == ends.codes && deltas == ends.deltas && copies == ends.copies && details.isFinished
  }

  @unsafe private mutating func decode(
    _ start: UnsafeRawPointer, to target: UnsafeMutableRawPointer, _ batch: inout OperationBatch
  ) -> Bool {
    var literals = unsafe LiteralLoop(
      table: memory.codes, addresses: memory.addresses, mode: UInt64(mode.rawValue) << 8, deltas: start + deltas)
    var copy = unsafe CopyLoop(
      memory: memory, difference: difference, bytes: start + copies)
    let first = position
    let limit = min(position + OperationBatch.capacity, count)
    while position < limit {
      // SAFETY: `begin` made sure that all parts lie in the payload, and each loop stays in its own but for what the
      // padding takes: literals of a batch have at most 16 KiB of deltas. The target has room for a batch.
      let run = min(limit - position, ends.codes - codes)
      let done = unsafe literals.decode(run, start + codes, to: target + (position - first) * 16)
      position += done
      codes += done
      if position == limit { break }
      guard codes < ends.codes else { return false }
      let code = unsafe start.load(fromByteOffset: codes, as: UInt8.self)
      codes += 1
      let next = unsafe target + (position - first) * 16
      switch code {
      case LiteralCode.copy:
        let place = unsafe copy.decode(at: position, limit: limit, to: next)
        guard place > position else { return false }
        position = place
      case LiteralCode.modeChange:
        mode.formSymmetricDifference(.user)
        unsafe literals.mode = UInt64(mode.rawValue) << 8
      default:
        guard let operation = unsafe decodeDetail(code, start, &batch) else { return false }
        unsafe next.storeBytes(of: operation, as: Operation.self)
        position += 1
      }
    }
    (deltas, copies) = unsafe (literals.deltas - start, copy.bytes - start)
    difference = unsafe copy.difference
    return deltas <= ends.deltas && copies <= ends.copies
  }

  /// Decodes one operation that has no code of its own; nil if there is none.
  @unsafe private mutating func decodeDetail(
    _ code: UInt8, _ start: UnsafeRawPointer, _ batch: inout OperationBatch
  ) -> Operation? {
    // SAFETY: the caller's payload is as long.
    let bytes = unsafe Span<UInt8>(_unsafeStart: start.assumingMemoryBound(to: UInt8.self), count: ends.copies)
    if code == LiteralCode.other {
      memory.noteOther(at: position)
      return details.operation(bytes, payloadIn: &batch)
    }
    guard code == LiteralCode.farAccess,
      var access = details.farAccess(bytes, recentCount: LiteralCode.recentCount)
    else { return nil }
    access.operation.flags = mode
    let slot = access.operation.kind == .fetch ? LiteralCode.fetched : access.slot
    unsafe memory.addresses[slot] = access.operation.address
    return access.operation
  }
}
